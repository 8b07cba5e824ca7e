"""Sends one request over HTTP/2 with prior knowledge, and prints the status and the body of the answer.

PORT METHOD PATH HEADERS BODY TRAILERS PAUSE. Headers and trailers are JSON lists of pairs; the body is sent in two halves,
with a pause of so many seconds before each half and before the trailers.
"""

import json
import socket
import sys
import time

import h2.config
import h2.connection
import h2.events

port, method, path, headers, body, trailers, pause = sys.argv[1:]
headers, body, trailers = [tuple(pair) for pair in json.loads(headers)], body.encode(), json.loads(trailers)
connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
connection.initiate_connection()
line = [(":method", method), (":scheme", "http"), (":authority", "kinto"), (":path", path)]
connection.send_headers(1, line + headers, end_stream=not body)

status, answer = "", b""
with socket.create_connection(("127.0.0.1", int(port)), timeout=30) as sock:

    def send():
        sock.sendall(connection.data_to_send())
        time.sleep(float(pause))

    if body:
        half = len(body) // 2
        send()
        connection.send_data(1, body[:half])
        send()
        connection.send_data(1, body[half:], end_stream=not trailers)
        if trailers:
            send()
            connection.send_headers(1, [tuple(pair) for pair in trailers], end_stream=True)
    ended = False
    while not ended:
        sock.sendall(connection.data_to_send())
        received = sock.recv(65536)
        for event in connection.receive_data(received):
            if isinstance(event, h2.events.ResponseReceived):
                status = dict(event.headers)[":status"]
            if isinstance(event, h2.events.DataReceived):
                answer += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, 1)
            ended = ended or isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset))
        ended = ended or not received
sys.stdout.buffer.write(status.encode() + b"\n" + answer)
