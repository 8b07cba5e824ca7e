"""Sends a batch over HTTP/2 with prior knowledge and ends it with trailers: PORT TOKEN BODY TRAILER."""

import socket
import sys

import h2.config
import h2.connection
import h2.events

port, token, body, trailer = sys.argv[1:]
connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
connection.initiate_connection()
connection.send_headers(
    1,
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "kinto"),
        (":path", "/v1/batch"),
        ("content-type", "application/json"),
        ("authorization", f"JWT {token}"),
    ],
)
connection.send_data(1, body.encode(), end_stream=not trailer)
if trailer:
    connection.send_headers(1, [tuple(trailer.split(": "))], end_stream=True)

answer = b""
with socket.create_connection(("127.0.0.1", int(port)), timeout=20) as sock:
    ended = False
    while not ended:
        sock.sendall(connection.data_to_send())
        for event in connection.receive_data(sock.recv(65536)):
            if isinstance(event, h2.events.DataReceived):
                answer += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, 1)
            ended = ended or isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset))
sys.stdout.buffer.write(answer)
