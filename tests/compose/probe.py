"""Asks Kinto (port 8888) or PostgreSQL (5432) at each HOST:PORT for a word, and prints a line of who answered: "kinto"
is a Kinto that believes a ticket for admin, and no header.

A connection alone proves nothing: there are networks whose gateway accepts them for any address.
"""

import socket
import sys
from concurrent.futures import ThreadPoolExecutor


def ask(target):
    host, port = target.split(":")
    try:
        with socket.create_connection((host, int(port)), 2) as connection:
            connection.settimeout(2)
            if port == "5432":
                connection.sendall(bytes([0, 0, 0, 8, 4, 210, 22, 47]))  # SSLRequest
                return "postgres" if connection.recv(1) in (b"N", b"S") else "nobody"
            connection.sendall(b"GET /v1/ HTTP/1.0\r\nuserId: root\r\nCookie: kjwt=TICKET\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
            return "kinto" if b'"kinto_jwt:admin"' in answer else "nobody"
    except OSError:
        return "nobody"


with ThreadPoolExecutor() as pool:
    print(*pool.map(ask, sys.argv[1:]))
