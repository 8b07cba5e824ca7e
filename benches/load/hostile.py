"""What one hostile request costs: CPU of all of Envoy's threads, growth of the VM's linear memory, the answer."""

import dataclasses
import http.client
import json
import re
import socket
import statistics
import time

import config
import process
from requests import mint, public_key, raw
from servers import Envoy, fetch
from shapes import ISSUER, MIB, Shape, numbers, path, shapes, times

SECONDS = 5
# What Envoy still does for a request after its answer.
SETTLE = 0.02
CRASH = re.compile(r"panicked|Uncaught|unreachable|\bfailed\b")


@dataclasses.dataclass
class Policy:
    """Settings of the filter; with None, no filter. Algorithms that have no limit get the tokens only."""

    name: str
    more: dict | None
    alg: str = "RS256"

    @property
    def rejects(self) -> bool:
        return "onInvalid" in (self.more or {})

    def filters(self, vm: str) -> list[dict]:
        settings = {"public_key": public_key(self.alg), "algorithm": self.alg, "auth_type": "Bearer"}
        return [] if self.more is None else [config.wasm(config.module, vm, settings | self.more)]


def policies() -> list[Policy]:
    reject = {"onMissing": "reject", "onInvalid": "reject"}
    places = {"from": [{"header": "Authorization", "schemes": ["Bearer"]}, {"cookie": "t"}, {"query": "t"}]}
    names = {f"p{n}": f"https://{n}.example" for n in range(3)} | {"last": ISSUER}
    issuers = [{"name": name, "issuer": issuer, **places} for name, issuer in names.items()]
    claims = {"claimsToHeaders": {"X-Name": "name", "X-Email": "email"}}
    algorithms = [Policy(alg, {}, alg) for alg in ["ES384", "PS256"]]
    return [
        Policy("no filter", None), Policy("three places", {**places, **claims}),
        Policy("four issuers", {"policies": issuers}), Policy("four, rejecting", {"policies": issuers, **reject}),
        *algorithms,
    ]  # fmt: skip


@dataclasses.dataclass
class Cost:
    """Of one shape with one policy. Status 0: the connection was closed without an answer."""

    shape: str
    policy: Policy
    size: int = 0
    status: int = 0
    answer: int = 0
    cpu: float = 0
    memory: float = 0
    failure: str = ""

    @property
    def filtered(self) -> bool:
        return self.policy.more is not None

    @property
    def limited(self) -> bool:
        return self.filtered and self.policy.alg == "RS256"


def exchange(port: int, request: bytes) -> tuple[int, int]:
    """The answer's status and size; it may come before all of the request has gone."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        try:
            connection.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, len(answer.read())


def still_serves(port: int, alg: str) -> str:
    number = next(numbers)
    token = mint(alg, start=number)[0]
    status, headers, _ = fetch(port, config.WHO, headers={"authorization": f"Bearer {token}"})
    return "" if headers.get("x-who") == f"user-{number:07}" else f"the next one gets {status}"


def cost_of(envoy: Envoy, name: str, shape: Shape, policy: Policy, idle: float, repeats: int) -> Cost:
    port, cost, cpu = envoy.ports[name], Cost(name, policy), []
    expected = (policy.rejects and shape.rejected) or shape.status
    for warm_up in [raw(), times(path())]:
        exchange(port, warm_up)
    memory = sum(process.linear_memories(envoy.pid))
    # The first counts only if there is no other: V8 compiles what is new to it a second time, in the background.
    while len(cpu) <= repeats and sum(cpu) < 1000 * SECONDS and not cost.failure:
        request = shape.make(policy.alg)
        cost.size, start, before = len(request), time.monotonic(), process.cpu_ns(envoy.pid)
        try:
            cost.status, cost.answer = exchange(port, request)
        except TimeoutError:
            cost.failure = f"none in {SECONDS} s"
        except (OSError, http.client.HTTPException):
            cost.status = cost.answer = 0
        if policy.more is not None and cost.status != expected and not cost.failure:
            cost.failure = f"{cost.status} and not {expected}"
        time.sleep(SETTLE)
        cpu.append((process.cpu_ns(envoy.pid) - before) / 1e6 - idle * (time.monotonic() - start))
    cost.cpu = statistics.median(cpu[1:] or cpu)
    cost.memory = (sum(process.linear_memories(envoy.pid)) - memory) / MIB
    if CRASH.search(envoy.log.read_text()):
        cost.failure = "crash"
    elif not cost.failure and cost.filtered:
        cost.failure = still_serves(port, policy.alg)
    return cost


def listener(name: str, filters: list[dict], routes: list[dict]) -> dict:
    made = config.listener(name, filters, routes)
    manager = made["filter_chains"][0]["filters"][0]["typed_config"]
    manager["max_request_headers_kb"] = 96
    manager["route_config"]["max_direct_response_body_size_bytes"] = 2 * MIB
    return made


def kinto() -> dict:
    """Another Envoy, which reads a request to its end and answers at once, as Kinto to a batch of one."""

    def answer(prefix: str, body: dict) -> dict:
        text = json.dumps({"responses": [{"status": 200, "path": "/v1/", "headers": {}, "body": body}]})
        header = {"header": {"key": "content-type", "value": "application/json"}}
        return {
            "match": {"prefix": prefix},
            "direct_response": {"status": 200, "body": {"inline_string": text}},
            "response_headers_to_add": [{**header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
        }

    routes = [answer("/v1/batch/", {"data": [{}] * 200_000}), answer("/v1/batch", {}), *config.direct()]
    whole = {"@type": f"{config.TYPE}.filters.http.buffer.v3.Buffer", "max_request_bytes": 4 * MIB}
    return config.envoy([listener("kinto", [{"name": "buffer", "typed_config": whole}], routes)])


def of_policy(policy: Policy, made: dict[str, Shape], kinto: int, repeats: int, progress) -> list[Cost]:
    """A VM for each shape, so that its memory is its own; a new Envoy when one is not fit for more."""
    costs, kept = [], {name: shape for name, shape in made.items() if shape.has_tokens or policy.alg == "RS256"}
    while len(costs) < len(kept):
        left = list(kept)[len(costs) :]
        listeners = [listener(name, policy.filters(name), config.to_cluster("kinto")) for name in left]
        with Envoy(config.envoy(listeners, [config.cluster("kinto", kinto)])) as envoy:
            before = process.cpu_ns(envoy.pid)
            time.sleep(0.5)
            idle = (process.cpu_ns(envoy.pid) - before) / 1e6 / 0.5
            for name in left:
                costs.append(cost_of(envoy, name, kept[name], policy, idle, repeats))
                if costs[-1].failure:
                    progress(f"{policy.name}: {name}: {costs[-1].failure}")
                    # It may be at work for ever.
                    envoy.process.kill()
                    break
    return costs


def measure(repeats: int, progress) -> list[Cost]:
    with Envoy(kinto()) as upstream:
        costs, made = [], shapes()
        for policy in policies():
            progress(f"hostile requests: {policy.name}")
            rounds = 1 if policy.more is None else repeats
            costs += of_policy(policy, made, upstream.ports["kinto"], rounds, progress)
        return costs
