"""The report, in Markdown."""

import json
import pathlib


def table(head: list[str], rows: list[list]) -> str:
    align = ["---"] + ["---:" if all(is_number(row[i]) for row in rows) else "---" for i in range(1, len(head))]
    lines = [head, align, *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def is_number(cell) -> bool:
    return cell == "" or str(cell).replace(",", "").replace(".", "").replace("-", "").replace("x", "").strip().isdigit()


def number(value: float, digits: int = 1) -> str:
    return f"{value:,.{digits}f}"


def of_limits(limits) -> str:
    return table(["must hold", "found", "limit", ""], [limit.row() for limit in limits])


def of_cost(results) -> str:
    """What a user asks first: what it costs, and against what."""
    if "RS256 warm" not in results.table:
        return ""
    us = {row["name"]: row["added"] for row in results.rows()}
    warm, native = us["RS256 warm"], us["RS256 jwt_authn cached"]
    cold, verified = us["RS256 cold"], us["RS256 jwt_authn"]
    instructions = results.added_instructions("RS256 warm")
    return (
        f"The filter adds **{number(warm)} us** of CPU to a request whose token it has seen before, where Envoy's own "
        f"`jwt_authn` with its cache adds {number(native)} us. A new RS256 token costs {number(cold)} us, and "
        f"{number(verified)} us with `jwt_authn`, which does not look into batches. A request without a token costs "
        f"{number(us['no token'])} us. Of the {number(warm)} us, {number(us['noop'])} us are what any filter costs that is "
        f"written with the SDK for Rust. A remembered token takes {number(instructions, 0)} instructions of the worker, "
        f"counted {results.how}.\n"
    )


def of_results(results) -> str:
    def instructions(row) -> str:
        return "" if row["instructions"] is None else number(row["instructions"], 0)

    rows = [
        [
            *(row["alg"], row["label"], number(row["us"]), number(row["added"]), instructions(row)),
            *(number(row["p50"], 0), number(row["p99"], 0)),
        ]
        for row in results.rows()
    ]
    head = ["", "", "CPU of Envoy, us", "added, us", "added, instructions", "p50, us", "p99, us"]
    return table(head, rows)


def of_end_to_end(found) -> str:
    text = table(
        ["", "this filter, requests/s", "kinto_jwt in Kinto, requests/s", "ratio"],
        [[label, number(a, 0), number(b, 0), number(r, 2)] for label, (a, b, r) in found.per_second.items()],
    )
    return text + "\n" + table(
        ["CPU of a batch of 10", "with this filter, us", "without, us", "ratio"],
        [[label, number(a, 0), number(b, 0), number(r, 2)] for label, a, b, r in found.batch],
    )


def of_memory(rows: list[dict], fill: int) -> str:
    cells = [
        [
            row["name"],
            number(row["empty"]["rss"]),
            number(row["second"]["rss"] - row["empty"]["rss"]),
            number(row["full"]["rss"] - row["empty"]["rss"]),
            number(row["empty"]["allocated"]),
            number(row["full"]["allocated"] - row["empty"]["allocated"]),
            number(row["empty"]["linear"], 2),
            number(row["full"]["linear"], 2),
        ]
        for row in rows
    ]
    head = ["MiB", "RSS", "+ a worker", f"+ {fill:,} tokens", "Envoy's heap", f"+ {fill:,} tokens"]
    return table([*head, "linear memory per VM", f"after {fill:,} tokens"], cells)


def of_hostile(costs) -> str:
    """Of all policies with RS256, the costliest shape first; then what other algorithms make of the tokens."""
    rows, tokens, others = [], [], list(dict.fromkeys(c.policy.name for c in costs if c.filtered and not c.limited))
    for shape in dict.fromkeys(cost.shape for cost in costs):
        found = {cost.policy.name: cost for cost in costs if cost.shape == shape}
        limited = [cost for cost in found.values() if cost.limited]
        worst = max(limited, key=lambda cost: cost.cpu)
        statuses = ", ".join(sorted({cost.failure or str(cost.status) for cost in limited}))
        answer, memory = max(cost.answer for cost in limited), max(cost.memory for cost in limited)
        figures = [number(found["no filter"].cpu), number(worst.cpu), worst.policy.name, number(memory)]
        rows.append((worst.cpu, [f"`{shape}`", f"{worst.size:,}", statuses, f"{answer:,}", *figures]))
        if others[0] in found:
            dear = [found[name] for name in others]
            tokens.append([f"`{shape}`", *(cost.failure or number(cost.cpu) for cost in dear)])
    head = ["one request", "bytes", "answers", "bytes", "ms without", "ms with the filter", "most with", "MiB"]
    rows = [row for _, row in sorted(rows, key=lambda row: -row[0])]
    return table(head, rows) + "\n" + table(["one request, ms", *others], tokens)


def of_plot(plot) -> str:
    rows = [[label, *(number(y) for y in ys)] for label, ys in plot.lines.items()]
    notes = f"\n{plot.notes}\n" if plot.notes else ""
    return table([f"{plot.x}:", *(f"{x:,}" for x in plot.xs)], rows) + notes


def of_core(directory: pathlib.Path) -> str:
    """What criterion measured last (`cargo bench`)."""
    rows = []
    for file in sorted(directory.glob("**/new/estimates.json")):
        median = json.loads(file.read_text())["median"]["point_estimate"]
        rows.append(["/".join(file.relative_to(directory).parts[:-2]), number(median / 1000, 2)])
    return table(["core, native", "us"], rows) if rows else ""


def of_machine(machine: dict[str, str], rounds: int, quiet) -> str:
    undisturbed = 100 * (1 - quiet.disturbed / max(1, quiet.samples))
    facts = ", ".join(f"{name} {value}" for name, value in machine.items())
    if not quiet.samples:
        return f"{facts}. Nobody watched whether the machine was quiet.\n"
    return (
        f"{facts}. Medians of {rounds} interleaved rounds; "
        f"{undisturbed:.0f} % of {quiet.samples} samples had the machine to themselves.\n"
    )
