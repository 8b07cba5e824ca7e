"""Load by wrk, and the CPU that servers spend on it."""

import dataclasses
import json
import os
import pathlib
import random
import resource
import shutil
import statistics
import subprocess

import process
from requests import Requests

SCRIPT = pathlib.Path(__file__).with_name("wrk.lua")
NEVER = 1 << 30


def require_wrk():
    if not shutil.which("wrk"):
        raise SystemExit("bench: wrk is not installed: apt-get install --no-install-recommends wrk")


@dataclasses.dataclass
class Sample:
    """One load: CPU per request of each process watched, in microseconds, and what the client saw."""

    cpu: list[float]
    per_second: float
    p50: float
    p99: float

    @property
    def us(self) -> float:
        return self.cpu[0]

    @classmethod
    def mean(cls, samples: list["Sample"]) -> "Sample":
        fields = zip(*((*sample.cpu, sample.per_second, sample.p50, sample.p99) for sample in samples))
        *cpu, per_second, p50, p99 = (statistics.mean(field) for field in fields)
        return cls(cpu, per_second, p50, p99)


def ticks_busy() -> float:
    """Seconds of CPU that the whole machine has spent, the host's theft included."""
    user, nice, system, _, _, irq, softirq, steal = map(int, pathlib.Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@dataclasses.dataclass
class Quiet:
    """Whether anybody else uses the machine. A sample that somebody disturbed is taken again, whatever it says,
    while `retakes` last."""

    most: float = 0.1
    retakes: int = 100
    samples: int = 0
    disturbed: int = 0


quiet = Quiet()


def load(port: int, requests: Requests, watch=(), **options) -> Sample:
    """One sample: `take`, in quiet if that can be had."""
    while True:
        sample, others = take(port, requests, watch, **options)
        if others <= quiet.most or quiet.retakes <= 0:
            break
        quiet.retakes -= 1
    quiet.samples += 1
    quiet.disturbed += others > quiet.most
    return sample


def take(port: int, requests: Requests, watch, connections=32, seconds=1, pause=0, errors=False):
    """`connections` clients, each with one request at a time, `pause` ms apart on average; and the CPUs that others
    than wrk and the processes watched kept busy meanwhile."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--timeout", "10s", "-s", SCRIPT]
    command += [f"http://127.0.0.1:{port}", "--", requests.path, requests.place % requests.count, pause]
    busy, own, before = ticks_busy(), children(), [process.cpu_ns(pid) for pid in watch]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds + 30)
    spent = [process.cpu_ns(pid) - start for pid, start in zip(watch, before)]
    others = ticks_busy() - busy - (children() - own) - sum(spent) / 1e9
    line = next((line for line in done.stdout.splitlines() if line.startswith("json:")), None)
    if line is None:
        raise SystemExit(f"bench: wrk failed: {done.stderr or done.stdout}")
    result = json.loads(line.removeprefix("json:"))
    if not result["requests"] or result["socket_errors"] or (result["status_errors"] and not errors):
        raise SystemExit(f"bench: the load went wrong: {result}")
    requests.place += result["requests"]
    cpu = [ns / 1000 / result["requests"] for ns in spent]
    sample = Sample(cpu, result["requests"] / result["seconds"], result["p50"], result["p99"])
    return sample, others / seconds


def interleave(names: list, rounds: int, measure) -> dict:
    """`measure(name)` for each name in each round, in another order each time: what disturbs the machine for a while
    disturbs all alike. The lists have one entry per round; a name listed twice gets the mean of its two."""
    shuffle, results = random.Random(1), {name: [] for name in names}
    for _ in range(rounds):
        order, found = names[:], {}
        shuffle.shuffle(order)
        for name in order:
            found.setdefault(name, []).append(measure(name))
        for name, values in found.items():
            results[name].append(values[0] if len(values) == 1 else Sample.mean(values))
    return results


def median_us(samples: list[Sample]) -> float:
    return statistics.median(sample.us for sample in samples)


def added(samples: list[Sample], base: list[Sample]) -> list[float]:
    """CPU over that of `base`, round by round."""
    return [sample.us - other.us for sample, other in zip(samples, base)]
