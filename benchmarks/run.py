"""`make bench`: every row of the table, in at most 20 minutes, as JSON, Markdown and a chart.

    python -m benchmarks.run [--data FOLDER] [--images N] [--rounds N] [--minutes M] [--only GROUP ...]

Without --data it measures on JPEGs that it makes. The table goes between the marks in `benchmarks/README.md`; rows of
groups that are not measured this time stay as they are, with their date.
"""

import argparse
import importlib
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, Result, line_of, machine, measure
from benchmarks.photos import lay_out

HERE = ROOT / "benchmarks"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"
# Module, what in it names the ways and the rows, rounds at most (None: --rounds), and the share of the time
GROUPS: dict[str, tuple[str, str, str, int | None, float]] = {
    "views": ("drawing", "WAYS", "ROWS", None, 0.03),
    "frozen": ("frozen", "WAYS", "ROWS", None, 0.1),
    "reading": ("reading", "WAYS", "ROWS", None, 0.03),
    "training": ("training", "WAYS", "ROWS", None, 0.49),
    "line": ("line", "WAYS", "ROWS", None, 0.3),
    "quick": ("line", "QUICK_WAYS", "QUICK_ROWS", None, 0.05),
}


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with JPEGs")
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--only", nargs="+", choices=list(GROUPS), default=list(GROUPS))
    parser.add_argument("--out", type=Path, default=HERE, help="folder with the README.md to fill")
    options = parser.parse_args()
    lines, start = [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        lay_out(options.data, Path(folder) / "photos", options.images)
        end = start
        for name in options.only:
            end += 60 * options.minutes * GROUPS[name][-1]
            lines += [{"group": name, **line} for line in _group(name, Path(folder), options.rounds, end)]
    lines = _in_order(lines + [line for line in _earlier(options.out) if line["group"] not in options.only])
    figures = {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "machine": machine(),
        "photographs": options.data.name if options.data else "made",
        "images": options.images,
        "minutes": round((time.monotonic() - start) / 60, 1),
        "rows": lines,
    }
    write(figures, options.out)


def _earlier(out: Path) -> list[dict[str, Any]]:
    """The rows of the last run, each with its date."""
    latest = out / "latest.json"
    figures = json.loads(latest.read_text(encoding="utf-8")) if latest.exists() else {"rows": []}
    return [{"date": figures["date"], **row} for row in figures["rows"]]


def _in_order(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(lines, key=lambda line: list(GROUPS).index(line["group"]))


def _group(name: str, folder: Path, rounds: int, deadline: float) -> list[dict[str, Any]]:
    module, ways, rows, at_most, _ = GROUPS[name]
    home = importlib.import_module(f"benchmarks.{module}")
    result: Result = measure(module, getattr(home, ways), folder, min(rounds, at_most or rounds), deadline)
    return [line_of(result, row) for row in getattr(home, rows)]


def write(figures: dict[str, Any], out: Path) -> None:
    """Writes `latest.json`, `latest.png` and the table in `README.md`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "latest.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    page = out / "README.md"
    text = page.read_text(encoding="utf-8") if page.exists() else BEGIN + END
    before, rest = text.split(BEGIN)
    chart = "\n![chart](latest.png)\n"
    page.write_text(before + BEGIN + table(figures) + chart + END + rest.split(END)[1], encoding="utf-8")
    draw(figures, out / "latest.png")
    print(table(figures))


def table(figures: dict[str, Any]) -> str:
    """The rows in Markdown, with the machine below."""
    found = figures["machine"]
    lines = ["| what | ours | notebook or other | ratio: median (min to max) | CPU ratio | peak MB | must | aim | |"]
    lines += ["|---|---|---|---|---|---|---|---|---|", *(_cells(line) for line in figures["rows"])]
    load = ", ".join(f"{value:.1f}" for value in found["load"])
    return "\n".join(
        [
            *lines,
            "",
            f"{figures['date']}, {found['cores']} cores of {found['cpu']}, {found['memory_gb']} GB, Python "
            f"{found['python']}, load {load} at the end; {figures['images']} photographs ({figures['photographs']}), "
            f"{figures['minutes']} minutes.",
            "",
        ]
    )


def _cells(line: dict[str, Any]) -> str:
    ours, is_limit = line["ours"], "theirs" not in line
    spread, what = line.get("seconds" if is_limit else "ratio"), line["what"]
    if "date" in line:  # of an earlier run
        what += f" ({line['date']})"
    if not spread:
        return f"| {what} | not measured: {'; '.join(line['errors']) or 'no time left'} |" + " |" * 7
    limit = "" if is_limit else " ×"
    middle = f"{spread[0]:.2f} ({spread[1]:.2f} to {spread[2]:.2f})"
    cells = [
        what,
        _time(ours["wall"], line),
        "" if is_limit else _time(line["theirs"]["wall"], line),
        middle + (" s" if is_limit else " ×"),
        "" if is_limit else f"{line['cpu_ratio']:.2f} ×",
        f"{ours['memory_mb']:.0f}" + ("" if is_limit else f" / {line['theirs']['memory_mb']:.0f}"),
        f"{line['must']:g}{limit or ' s'}",
        f"{line['aim']:g}{limit or ' s'}",
        verdict(line, spread[0]),
    ]
    return f"| {' | '.join(cells)} |"


def _time(value: float, line: dict[str, Any]) -> str:
    return f"{value:.2f} {line.get('unit', 's')}"


def verdict(line: dict[str, Any], median: float) -> str:
    """Whether the median reaches what it must, or the aim."""
    reached = [median <= line[key] if "theirs" not in line else median >= line[key] for key in ("must", "aim")]
    return "aim" if reached[1] else "reached" if reached[0] else "missed"


def draw(figures: dict[str, Any], path: Path) -> None:
    """A bar for each row: how many times what it must reach, with the spread of the pairs, and a mark at the aim."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = [line for line in figures["rows"] if line.get("seconds") or line.get("ratio")]
    chart, axes = plt.subplots(figsize=(9, 1 + 0.4 * len(rows)))
    for place, line in enumerate(reversed(rows)):
        middle, low, high = sorted_shares(line)
        axes.barh(place, middle, color="tab:blue" if middle >= 1 else "tab:orange")
        axes.plot([low, high], [place, place], color="black", linewidth=1)
        aim = line["aim"] / line["must"] if "theirs" in line else line["must"] / line["aim"]
        axes.plot(aim, place, "k|", markersize=14)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [line["what"] for line in reversed(rows)])
    axes.set_xlabel("times what it must reach; line: smallest to largest pair; mark: the aim")
    axes.set_xscale("log")
    chart.tight_layout()
    chart.savefig(path, dpi=120)
    plt.close(chart)


def sorted_shares(line: dict[str, Any]) -> tuple[float, float, float]:
    """Median, smallest and largest, as multiples of what must be reached: more is better."""
    if "theirs" in line:
        middle, low, high = (value / line["must"] for value in line["ratio"])
        return middle, low, high
    middle, low, high = (line["must"] / max(value, 1e-3) for value in line["seconds"])
    return middle, high, low


if __name__ == "__main__":
    main()
