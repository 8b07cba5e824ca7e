"""What must hold. CPU and instructions are those added over no filter; a ratio of CPU is one of the same rounds."""

import dataclasses
import pathlib

RATIOS = [
    ("warm, over jwt_authn with its cache", "RS256 warm", "RS256 jwt_authn cached", 2.4),
    ("warm, over an SDK filter that does nothing", "RS256 warm", "noop", 2.0),
    ("cold RS256, over jwt_authn without cache", "RS256 cold", "RS256 jwt_authn", 1.15),
    ("cold ES256, over jwt_authn without cache", "ES256 cold", "ES256 jwt_authn", 1.15),
    ("bad signature, over cold: RS256", "RS256 bad", "RS256 cold", 1.1),
    ("bad signature, over cold: ES256", "ES256 bad", "ES256 cold", 1.1),
]


INSTRUCTIONS = [
    ("instructions of a warm request", "RS256 warm", 40_000),
    ("instructions of a warm request, with a random `userIdHeader`", "random", 48_000),
]


@dataclasses.dataclass
class Limit:
    what: str
    found: float
    limit: float
    unit: str = ""
    at_least: bool = False

    @property
    def holds(self) -> bool:
        return self.found >= self.limit if self.at_least else self.found <= self.limit

    def row(self) -> list[str]:
        sign = "at least" if self.at_least else "at most"
        found = f"{self.found:.3g}" if self.found < 100 else f"{self.found:,.0f}"
        verdict = "pass" if self.holds else "**FAIL**"
        return [self.what, f"{found}{self.unit}", f"{sign} {self.limit:,g}{self.unit}", verdict]


def of_hostile(costs) -> list[Limit]:
    """Of one request, each. Of CPU, with RS256 only: what a verification costs is the algorithm's."""
    filtered = [cost for cost in costs if cost.filtered]
    named = [
        ("CPU", "cpu", [cost for cost in filtered if cost.limited], 1, 50, " ms"),
        ("linear memory", "memory", filtered, 1, 16, " MiB"),
        ("answer", "answer", filtered, 1 << 20, 1, " MiB"),
    ]
    limits = []
    for what, field, among, unit, limit, name in named:
        worst = max(among, key=lambda cost: getattr(cost, field))
        which = f"one hostile request: {what} (`{worst.shape}`, {worst.policy.name})"
        limits.append(Limit(which, getattr(worst, field) / unit, limit, name))
    failed = sum(bool(cost.failure) for cost in filtered)
    what = "hostile requests that hang, crash, get another status than they should or spoil the next one"
    return [*limits, Limit(what, failed, 0)]


def check(results, end_to_end, memory: list[dict] | None, hostile, module: pathlib.Path) -> list[Limit]:
    limits = []
    if results:
        limits += [
            Limit(what, results.ratio(name, other), limit)
            for what, name, other, limit in RATIOS
            if name in results.cpu and other in results.cpu
        ]
        limits += [
            Limit(what, results.added_instructions(name), limit)
            for what, name, limit in INSTRUCTIONS
            if name in results.instructions
        ]
    if end_to_end:
        what = "to Kinto, valid RS256: requests per second over kinto_jwt in Kinto"
        limits.append(Limit(what, end_to_end.ratio(), 1.4, at_least=True))
    limits.append(Limit("module size", module.stat().st_size / 1000, 730, " KB"))
    if memory:
        own = next(row for row in memory if row["name"] == "this filter")
        limits.append(Limit("linear memory per worker VM, empty cache", own["empty"]["linear"], 4, " MiB"))
    if hostile:
        limits += of_hostile(hostile)
    return limits
