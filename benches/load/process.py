"""What the kernel says about a process: CPU time, resident memory, V8's linear memories."""

import os
import pathlib
import re

GIB = 1 << 30


def cpu_ns(pid: int) -> int:
    """Nanoseconds on a CPU, of all threads. utime and stime count in ticks of 10 ms: too coarse."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            total += int(pathlib.Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


def worker(pid: int) -> str:
    """The id of the thread of Envoy's first worker."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return next(task.name for task in tasks if (task / "comm").read_text().startswith("wrk:worker_0"))


def rss_kib(pid: int) -> int:
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def linear_memories(pid: int) -> list[int]:
    """Bytes of each Wasm linear memory.

    V8 reserves gigabytes of unreadable guard for each, so that it need not check bounds: a linear memory
    is a writable mapping directly before such a guard.
    """
    sizes, writable = [], None
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, mode = line.split()[:2]
        start, end = (int(address, 16) for address in span.split("-"))
        if mode.startswith("---p") and end - start > 3 * GIB and writable and writable[1] == start:
            sizes.append(writable[1] - writable[0])
        writable = (start, end) if mode.startswith("rw-p") else None
    return sizes
