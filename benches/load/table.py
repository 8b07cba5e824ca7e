"""The table: every variant beside its peers, in one Envoy, in one run."""

import dataclasses
import statistics
from collections.abc import Callable

import config
import instructions
import tickets
from load import NEVER, Sample, interleave, load, median_us
from requests import Requests, claim, mint, with_bad_signatures
from servers import Envoy, fetch

ALGORITHMS = ["RS256", "ES256", "PS256", "EdDSA", "HS256"]
OFF = {"maxEntries": 0}
# Those that add a few microseconds are measured three times a round.
TIGHT = 2 * ["noop", "no token", "random", "ticket", "RS256 warm", "RS256 jwt_authn cached"]
# Those whose instructions are counted.
COUNTED = [
    *("none", "none without", "noop", "no token", "random", "ticket"),
    *("RS256 warm", "RS256 cold", "RS256 jwt_authn", "RS256 jwt_authn cached"),
]
# As `make run` and docs/identity.md have it: a name that nobody can guess.
RANDOM_HEADER = "X-User-5f0c1d9a2b7e4836"


@dataclasses.dataclass
class Variant:
    label: str
    listener: str
    requests: Requests
    user: str | None = None
    base: str = "none"
    """The variant without a filter that gets the same requests."""
    shown: Callable[[str], str] = str
    """The user in what Kinto gets: the identity header as it is, or a ticket."""


def variants(algorithms: list[str]) -> tuple[list[dict], dict[str, Variant]]:
    random = [config.ours("random", settings={"userIdHeader": RANDOM_HEADER})]
    listeners = [
        config.listener("none", []),
        config.listener("noop", [config.wasm(config.noop, "noop")]),
        config.listener("random", random, config.direct(user=RANDOM_HEADER)),
        config.listener("ticket", [config.ours("ticket", settings={"ticket": tickets.TICKET})], config.direct(user="cookie")),
    ]
    table = {}
    for alg in algorithms:
        own, cold, native, cached = (f"{alg} {kind}" for kind in ("own", "cold", "jwt_authn", "jwt_authn cached"))
        listeners += [
            config.listener(own, [config.ours(own, alg)]),
            config.listener(cold, [config.ours(cold, alg, OFF)]),
            config.listener(native, [config.jwt_authn(alg)]),
            config.listener(cached, [config.jwt_authn(alg, cache=10000)]),
        ]
        tokens = mint(alg, 1000)
        one, user = Requests.with_tokens(tokens[:1]), claim(tokens[0], "sub")
        if not table:
            without = Requests.with_tokens([None])
            table["none"] = Variant("no filter", "none", one)
            table["none without"] = Variant("no filter, no token", "none", without, base="none without")
            table["noop"] = Variant("an SDK filter that does nothing", "noop", one)
            table["no token"] = Variant("this filter, no token", own, without, "public", "none without")
            table["random"] = Variant("this filter, one token, a random `userIdHeader`", "random", one, user)
            table["ticket"] = Variant("this filter, one token, a ticket", "ticket", one, user, shown=tickets.user)
            table[f"{alg} set"] = Variant("this filter, 1,000 tokens in turn", own, Requests.with_tokens(tokens), user)
        bad = Requests.with_tokens(with_bad_signatures(tokens))
        table[f"{alg} warm"] = Variant("this filter, one token", own, one, user)
        table[cold] = Variant("this filter, cache off", cold, one, user)
        table[f"{alg} bad"] = Variant("this filter, 1,000 bad signatures in turn", own, bad, "public")
        table[native] = Variant("jwt_authn", native, one, user)
        table[cached] = Variant("jwt_authn with its cache", cached, one, user)
    return listeners, table


def prove(envoy: Envoy, variant: Variant):
    """That the listener takes the first request for whom it is: a filter that did nothing would be fast."""
    lines = first(variant.requests).split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:] if line)
    status, headers, _ = fetch(envoy.ports[variant.listener], config.WHO, headers=fields)
    who = headers.get("x-who")
    user = variant.shown(who) if who else None
    if status != 200 or user != variant.user:
        raise SystemExit(f"bench: {variant.label}: {status}, taken for {user}, not {variant.user}")


def first(requests: Requests) -> str:
    with requests.path.open("rb") as file:
        return file.read(int(file.readline())).decode()


class Results:
    """By variant: samples of CPU, its own and that of no filter just before; of latency; and instructions."""

    def __init__(self, table: dict[str, Variant], cpu: dict, latency: dict, instructions: dict[str, float], how: str):
        self.table, self.cpu, self.latency, self.instructions = table, cpu, latency, instructions
        self.how = how

    def added(self, name: str) -> list[float]:
        """Microseconds over those of no filter just before, round by round."""
        return [sample.cpu[0] - sample.cpu[1] for sample in self.cpu[name]]

    def added_instructions(self, name: str) -> float | None:
        if name not in self.instructions:
            return None
        return self.instructions[name] - self.instructions[self.table[name].base]

    def ratio(self, name: str, other: str) -> float:
        """Of the medians of the CPU added. Without any, nothing is below a limit."""
        one, base = (statistics.median(self.added(variant)) for variant in (name, other))
        return one / base if base > 0 else NEVER

    def rows(self):
        for name, variant in self.table.items():
            latency = self.latency[name]
            yield {
                "name": name,
                "alg": name.split()[0] if name.split()[0] in ALGORITHMS else "",
                "label": variant.label,
                "us": median_us(self.cpu[name]),
                "added": statistics.median(self.added(name)),
                "instructions": self.added_instructions(name),
                "p50": statistics.median(sample.p50 for sample in latency),
                "p99": statistics.median(sample.p99 for sample in latency),
            }


def measure(rounds: int, latency_rounds: int, algorithms: list[str]) -> Results:
    listeners, table = variants(algorithms)
    filters = {listener["name"]: config.filters_of(listener) for listener in listeners}
    counts = {
        name: instructions.per_request(filters[table[name].listener], table[name].requests)
        for name in COUNTED
        if name in table
    }
    with Envoy(config.envoy(listeners)) as envoy:
        for variant in table.values():
            prove(envoy, variant)

        def cpu(name: str) -> Sample:
            variant = table[name]
            base = table[variant.base]
            without = load(envoy.ports[base.listener], base.requests, [envoy.pid])
            if variant is base:
                return dataclasses.replace(without, cpu=2 * without.cpu)
            sample = load(envoy.ports[variant.listener], variant.requests, [envoy.pid])
            return dataclasses.replace(sample, cpu=[*sample.cpu, *without.cpu])

        def latency(name: str) -> Sample:
            """16 clients, 16 ms between their requests: 1,000 requests per second less the time of the answers."""
            variant = table[name]
            return load(envoy.ports[variant.listener], variant.requests, [envoy.pid], connections=16, pause=16)

        # V8 compiles what runs often for a second time, in the background: not in a counted round.
        interleave(list(table), 1, cpu)
        samples = interleave([*table, *(name for name in TIGHT if name in table)], rounds, cpu)
        return Results(table, samples, interleave(list(table), latency_rounds, latency), counts, instructions.how())
