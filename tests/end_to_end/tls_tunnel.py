"""Passes what comes to a free port of its own on to another one, over TLS; prints the number of its port.

PORT PROTOCOL [CERTIFICATE KEY]. PROTOCOL is what the client says that it speaks inside (ALPN). With a certificate, the
client shows it. The certificate of the server is not checked. Each connection goes on with the TLS session of the one
before, if the server lets it.
"""

import select
import socket
import ssl
import sys
import threading

port, protocol, *pair = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.set_alpn_protocols([protocol])
if pair:
    context.load_cert_chain(*pair)
last = {"session": None}


def tunnel(client):
    with client:
        try:
            raw = socket.create_connection(("127.0.0.1", int(port)), timeout=60)
            with context.wrap_socket(raw, session=last["session"]) as server:
                copy(client, server)
                last["session"] = server.session
        except OSError:
            # The handshake failed, or a side has closed: the client sees an end without an answer.
            pass


def copy(client, server):
    """Both ways, in one thread: two threads must not use one TLS connection at the same time."""
    while True:
        readable = [server] if server.pending() else select.select([client, server], [], [])[0]
        for source in readable:
            target = server if source is client else client
            try:
                source.setblocking(source is client)
                data = source.recv(65536)
            except ssl.SSLWantReadError:
                # Bytes of TLS itself.
                continue
            if not data:
                return
            target.setblocking(True)
            target.sendall(data)


with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=tunnel, args=(listener.accept()[0],), daemon=True).start()
