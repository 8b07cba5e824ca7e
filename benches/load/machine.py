"""What the figures were measured on: enough to judge them, nothing that says whose machine it is."""

import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess

from servers import BIN, ROOT


def output(*command) -> str:
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout + done.stderr


def describe() -> dict[str, str]:
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    envoy = re.search(r"/(\d+\.\d+\.\d+)/", output(BIN / "envoy", "--version"))
    wrk = re.search(r"wrk \S*?(\d[\d.]*)", output("wrk", "-v"))
    version = importlib.metadata.version
    commit = output("git", "-C", ROOT, "rev-parse", "--short", "HEAD").strip()
    return {
        "CPU": f"{os.cpu_count()} x {cpu[1] if cpu else platform.machine()}, {memory / (1 << 20):.0f} GiB",
        "Linux": re.match(r"[\d.]*\d", platform.release())[0],
        "Envoy": envoy[1] if envoy else "unknown",
        "Kinto": f"{version('kinto')}, kinto_jwt {version('kinto_jwt')}, PyJWT {version('PyJWT')}",
        "Rust": " ".join(output("rustc", "--version").split()[1:2]) or "unknown",
        "wrk": wrk[1] if wrk else "unknown",
        "commit": commit if re.fullmatch("[0-9a-f]+", commit) else "unknown",
    }
