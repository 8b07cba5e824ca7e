"""make bench: measures, prints the table and what must hold, writes benches/report/. See ../README.md."""

import argparse
import pathlib
import sys
import time

import config
import load
import servers

PARTS = ["table", "kinto", "growth", "memory", "hostile"]
PLOTS = ["cached_tokens", "token_size", "request_headers", "batch", "workers"]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    target = servers.ROOT / "target"
    parser.add_argument("--quick", action="store_true", help="fewer rounds and points: for development")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part only; may be repeated")
    parser.add_argument("--algorithms", default="", help="such as RS256,ES256 (default: all; --quick: RS256,ES256)")
    parser.add_argument("--plots", default=",".join(PLOTS), help="of the part growth (default: %(default)s)")
    parser.add_argument("--rounds", type=int, help="rounds of the table (default: 7; --quick: 3)")
    wasm = "wasm32-wasip1/release"
    parser.add_argument("--module", type=pathlib.Path, default=target / wasm / "kinto_jwt_filter.wasm")
    parser.add_argument("--noop", type=pathlib.Path, default=target / "noop" / wasm / "noop.wasm")
    parser.add_argument("--report", type=pathlib.Path, default=servers.ROOT / "benches/report", help="directory")
    parser.add_argument(
        "--no-token-cache", action="store_true",
        help="the module knows no setting tokenCache (an older one): every variant is cold",
    )  # fmt: skip
    return parser.parse_args()


def main() -> int:
    chosen = options()
    quick, only = chosen.quick, chosen.only or PARTS
    loaded = set(only) - {"hostile"}
    if loaded:
        load.require_wrk()
    for module in [chosen.module, *([chosen.noop] if loaded else [])]:
        if not module.exists():
            raise SystemExit(f"bench: {module.name} is missing: run `make bench`, which builds it")
    # These come with `make bench`, not with Python.
    import end_to_end, footprint, growth, hostile, instructions, limits, machine, plots, report, table  # noqa: E401

    if "table" in only:
        instructions.require()

    config.module, config.noop = chosen.module.resolve(), chosen.noop.resolve()
    config.cache_setting = not chosen.no_token_cache
    rounds = chosen.rounds or (3 if quick else 7)
    load.quiet.retakes = 10 if quick else 40
    algorithms = chosen.algorithms.split(",") if chosen.algorithms else table.ALGORITHMS[: 2 if quick else None]
    chosen.report.mkdir(parents=True, exist_ok=True)
    sections, start = [], time.monotonic()

    def progress(what: str):
        print(f"bench: {time.monotonic() - start:4.0f} s: {what}", file=sys.stderr, flush=True)

    def section(title: str, text: str, *images: str):
        shown = "".join(f"\n![{title}]({image})\n" for image in images)
        sections.append(f"## {title}\n\n{text}{shown}")
        # What a later part that fails would take with it.
        (chosen.report / "report.md").write_text("\n".join(["# How fast\n", "Not complete.\n", *sections]))

    results = found = memory = costs = None
    if "table" in only:
        progress(f"the table: {', '.join(algorithms)}, {rounds} rounds")
        results = table.measure(rounds, 1 if quick else 2, algorithms)
        bars = {f"{row['alg']} {row['label']}".strip(): row["added"] for row in results.rows()}
        image = plots.bars("CPU added over no filter", bars, "us per request", "table.svg", chosen.report)
        section("CPU and latency of a request", report.of_results(results), image)
    if "kinto" in only:
        progress("to a real Kinto")
        found = end_to_end.measure(2 if quick else 7, seconds=1)
        section("To a real Kinto", report.of_end_to_end(found))
    if "growth" in only:
        for name in chosen.plots.split(","):
            progress(f"growth: {name}")
            plot = getattr(growth, name)(1 if quick else 2, quick)
            section(plot.title, report.of_plot(plot), plots.draw(plot, chosen.report))
    if "memory" in only:
        progress("memory and start")
        fill = 1_000 if quick else 10_000
        memory = footprint.memory(fill)
        section("Memory", report.of_memory(memory, fill))
        started = {name: 1000 * seconds for name, seconds in footprint.startup(2 if quick else 5).items()}
        image = plots.bars("From Envoy's start to its first answer", started, "ms", "start.svg", chosen.report)
        rows = [[name, report.number(ms, 0)] for name, ms in started.items()]
        section("From Envoy's start to its first answer", report.table(["", "ms"], rows), image)
    if "hostile" in only:
        progress("hostile requests")
        costs = hostile.measure(2 if quick else 3, progress)
        section("What one hostile request costs", report.of_hostile(costs))
    if core := report.of_core(servers.ROOT / "target/criterion"):
        section("The core, natively", core)
    progress("done")

    asked = f"{report.of_cost(results)}\n" if results else ""
    held = limits.check(results, found, memory, costs, chosen.module)
    conditions = report.of_machine(machine.describe(), rounds, load.quiet)
    text = "\n".join(["# How fast\n", asked + conditions, *sections, f"## Must hold\n\n{report.of_limits(held)}"])
    (chosen.report / "report.md").write_text(text)
    if results:
        print(report.of_results(results))
    if costs:
        print(report.of_hostile(costs))
    print(asked + report.of_limits(held))
    print(conditions)
    return 0 if all(limit.holds for limit in held) else 1


if __name__ == "__main__":
    sys.exit(main())
