"""The plots, as SVG."""

import pathlib

import matplotlib

matplotlib.use("svg")
# The same figures give the same file: no date, no random ids.
matplotlib.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 10})

from matplotlib import pyplot  # noqa: E402


def draw(plot, directory: pathlib.Path) -> str:
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for (label, ys), marker in zip(plot.lines.items(), "os^Dvx*"):
        axes.plot(plot.xs, ys, marker=marker, label=label)
    axes.set(title=plot.title, xlabel=plot.x, ylabel=plot.y)
    if plot.log:
        axes.set_xscale("log", base=10 if plot.xs[-1] > 100 else 2)
    axes.set_xticks(plot.xs, [f"{x:,}" for x in plot.xs])
    axes.minorticks_off()
    axes.set_ylim(bottom=min(0, *(y for ys in plot.lines.values() for y in ys)))
    axes.grid(alpha=0.3)
    axes.legend()
    name = f"{plot.name}.svg"
    figure.savefig(directory / name, metadata={"Date": None})
    pyplot.close(figure)
    return name


def bars(title: str, values: dict[str, float], x: str, name: str, directory: pathlib.Path) -> str:
    figure, axes = pyplot.subplots(figsize=(7, 0.5 * len(values) + 1), layout="constrained")
    drawn = axes.barh(list(values), list(values.values()))
    axes.bar_label(drawn, fmt="%.3g", padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set(title=title, xlabel=x)
    figure.savefig(directory / name, metadata={"Date": None})
    pyplot.close(figure)
    return name
