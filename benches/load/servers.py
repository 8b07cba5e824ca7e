"""The real Envoy and the real Kinto as child processes on loopback."""

import contextlib
import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.executable).parent


class Stopped(Exception):
    """A server that did not start, with the end of its log."""


def wait_for(what: str, ready, process: subprocess.Popen, log: pathlib.Path, pause: float = 0.02):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            if value := ready():
                return value
        if process.poll() is not None:
            break
        time.sleep(pause)
    process.kill()
    raise Stopped(f"{what} did not start:\n" + "\n".join(log.read_text().splitlines()[-8:]))


def fetch(port: int, path: str, method: str = "GET", body: str | None = None, headers: dict | None = None):
    """The answer's status, headers and body."""
    # From another address: a connection from 127.0.0.1 to a port where nobody listens yet could get this very port, be
    # connected with itself, and take the port away from the server.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30, source_address=("127.0.0.2", 0))
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


class Server:
    """A child process that ends with its `with` block."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory()
        self.log = pathlib.Path(self.directory.name) / "log"

    def spawn(self, command: list, **options):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log, **options)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.directory.cleanup()


class Envoy(Server):
    """Listeners by name; `concurrency` workers."""

    def __init__(self, config: dict, concurrency: int = 1, wrapper=()):
        """`wrapper` is a command that runs Envoy, in the server's folder."""
        super().__init__()
        directory = pathlib.Path(self.directory.name)
        file, address = directory / "envoy.yaml", directory / "admin"
        file.write_text(json.dumps(config))
        self.spawn([
            *wrapper, BIN / "envoy", "--config-path", file, "--admin-address-path", address, "--use-dynamic-base-id",
            "--concurrency", concurrency, "--log-level", "warning",
        ], cwd=directory)  # fmt: skip

        def ready():
            self.admin = int(address.read_text().rpartition(":")[2])
            return fetch(self.admin, "/ready")[0] == 200

        wait_for("Envoy", ready, self.process, self.log)
        self.ports = {
            listener["name"]: listener["local_address"].get("socket_address", {}).get("port_value")
            for listener in self.admin_json("/listeners?format=json")["listener_statuses"]
        }

    def admin_json(self, path: str):
        return json.loads(fetch(self.admin, path)[2])

    def allocated(self) -> int:
        """Bytes that Envoy's own allocator has given out; V8's linear memories are not among them."""
        return int(self.admin_json("/memory")["allocated"])


class Kinto(Server):
    """`kinto start` with this file, and with these variables of the environment."""

    def __init__(self, ini: pathlib.Path, variables: dict | None = None):
        super().__init__()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        environment = {**os.environ, "KINTO_INI": str(ini), "PYTHONWARNINGS": "ignore", **(variables or {})}
        self.spawn([BIN / "kinto", "start", "--ini", ini, "--port", self.port], env=environment)
        wait_for("Kinto", lambda: fetch(self.port, "/v1/")[0] == 200, self.process, self.log)
