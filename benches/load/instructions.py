"""Instructions that a worker of Envoy executes in user space for one request: counted by the CPU, where it does, else by Valgrind.

They do not depend on what else the machine does, or on how fast its memory is; but what the kernel does is not among them,
and Valgrind's CPU has fewer instructions for cryptography than most.
"""

import glob
import pathlib
import re
import shutil
import socket
import subprocess

import config
import process
from requests import Requests
from servers import Envoy

# So many that those of the worker's timers, a few thousand each second, do not count.
WARM_UP, COUNTED = 3000, 2000
# The command envoy is a script, which runs Envoy in its own place.
CALLGRIND = ["valgrind", "--tool=callgrind", "--trace-children=yes", "--instr-atstart=no", "--separate-threads=yes"]


def cpu_counts() -> bool:
    """Whether the CPU counts instructions for us: most virtual machines have no such counters."""
    if not shutil.which("perf"):
        return False
    command = ["perf", "stat", "-x,", "-e", "instructions:u", "true"]
    done = subprocess.run(command, capture_output=True, text=True)
    return read_perf(done.stderr) is not None


def read_perf(output: str) -> int | None:
    """The number in what `perf stat -x,` prints, `count,unit,event,..`; `None` if there is none."""
    line = next((line for line in output.splitlines() if "instructions" in line), "")
    count = line.split(",")[0]
    return int(count) if count.isdigit() else None


def require():
    if not cpu_counts() and not shutil.which("valgrind"):
        raise SystemExit("bench: valgrind is not installed: apt-get install --no-install-recommends valgrind")


def how() -> str:
    return "by the CPU (`perf stat`)" if cpu_counts() else "by Valgrind (callgrind)"


def per_request(filters: list[dict], requests: Requests, warm_up: int = WARM_UP, counted: int = COUNTED) -> float:
    """Of an Envoy of its own, with one worker and these filters, over one connection."""
    count = by_cpu if cpu_counts() else by_callgrind
    return count(config.envoy([config.listener("bench", filters)]), requests, warm_up, counted) / counted


def by_cpu(setup: dict, requests: Requests, warm_up: int, counted: int) -> int:
    with Envoy(setup) as envoy, Client(envoy.ports["bench"], requests) as client:
        client.send(warm_up)
        command = ["perf", "stat", "-x,", "-e", "instructions:u", "-t", process.worker(envoy.pid), "sleep", "600"]
        perf = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        client.send(1)
        client.send(counted)
        perf.send_signal(2)
        count = read_perf(perf.communicate()[1])
    if count is None:
        raise SystemExit("bench: perf has counted nothing")
    return count


def by_callgrind(setup: dict, requests: Requests, warm_up: int, counted: int) -> int:
    with Envoy(setup, wrapper=[*CALLGRIND, "--callgrind-out-file=callgrind.%p"]) as envoy:
        with Client(envoy.ports["bench"], requests) as client:

            def control(*arguments: str):
                command = ["callgrind_control", *arguments, str(envoy.pid)]
                subprocess.run(command, check=True, capture_output=True)

            client.send(warm_up)
            control("--instr=on")
            # Valgrind translates what runs for the first time.
            client.send(counted // 10)
            control("--zero")
            client.send(counted)
            control("--dump")
        # One for each thread. The others have next to nothing to do.
        dumps = glob.glob(f"{envoy.directory.name}/callgrind.*.1-*")
        return max(read_callgrind(pathlib.Path(dump).read_text(errors="replace")) for dump in dumps)


def read_callgrind(dump: str) -> int:
    return int(re.search(r"^totals: (\d+)", dump, re.MULTILINE)[1])


class Client:
    """One connection that sends the requests of a file in turn, each after the answer to the one before."""

    def __init__(self, port: int, requests: Requests):
        self.requests, self.place = requests.all(), 0
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def send(self, count: int):
        for _ in range(count):
            self.connection.sendall(self.requests[self.place % len(self.requests)])
            self.place += 1
            answer = b""
            # Of config.direct.
            while not answer.endswith(b"\r\n\r\nok"):
                part = self.connection.recv(65536)
                if not part:
                    raise SystemExit("bench: Envoy has closed the connection")
                answer += part
