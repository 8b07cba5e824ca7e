"""Memory of each worker's VM, and the time until Envoy answers."""

import json
import pathlib
import socket
import statistics
import time

import config
import process
from load import interleave, load
from requests import Requests, mint
from servers import Envoy, Server, BIN, fetch, wait_for

ALG = "ES256"


def filters() -> dict[str, list[dict]]:
    return {
        "no filter": [],
        "an SDK filter that does nothing": [config.wasm(config.noop, "noop")],
        "this filter": [config.ours("ours", ALG)],
        "jwt_authn with its cache": [config.jwt_authn(ALG, 10000)],
    }


def of(envoy: Envoy) -> dict:
    return {
        "rss": process.rss_kib(envoy.pid) / 1024,
        "allocated": envoy.allocated() / (1 << 20),
        "linear": max(process.linear_memories(envoy.pid), default=0) / (1 << 20),
        "memories": len(process.linear_memories(envoy.pid)),
    }


def memory(fill: int) -> list[dict]:
    """MiB with one worker, what a second worker adds, and what `fill` tokens add (on one worker)."""
    rows = []
    requests = Requests.with_tokens(mint(ALG, fill))
    for name, chain in filters().items():
        setup = config.envoy([config.listener("bench", chain)])
        with Envoy(setup, 1) as envoy:
            empty = of(envoy)
            sent = requests.again()
            while sent.place < sent.count:
                load(envoy.ports["bench"], sent, [envoy.pid])
            full = of(envoy)
        with Envoy(setup, 2) as envoy:
            second = of(envoy)
        rows.append({"name": name, "empty": empty, "second": second, "full": full})
    return rows


def time_to_answer(chain: list[dict]) -> float:
    """Seconds from Envoy's start to the first answer of its listener."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    listener = config.listener("bench", chain)
    listener["address"]["socket_address"]["port_value"] = port
    with Server() as server:
        file = pathlib.Path(server.directory.name) / "envoy.yaml"
        file.write_text(json.dumps(config.envoy([listener])))
        start = time.monotonic()
        server.spawn([
            BIN / "envoy", "--config-path", file, "--use-dynamic-base-id", "--concurrency", 1, "--log-level", "error",
        ])  # fmt: skip
        # The filter answers a request without a token, jwt_authn refuses it: both listen.
        wait_for("Envoy", lambda: fetch(port, "/")[0] in (200, 401), server.process, server.log, pause=0.002)
        return time.monotonic() - start


def startup(rounds: int) -> dict[str, float]:
    chains = filters()
    found = interleave(list(chains), rounds, lambda name: time_to_answer(chains[name]))
    return {name: statistics.median(times) for name, times in found.items()}
