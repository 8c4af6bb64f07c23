"""The table of one run."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.results import Cell, Results

HIDDEN = "("
"""Steps whose name begins so only prepare; they are kept in the JSON."""
LEGEND = "median (min–max), seconds where no unit is named; ratio: best peer / kumofs, above 1 kumofs leads"
WIDTH_CHARACTERS, SIDE_CHARACTERS = 60, 24


def show(results: Results, console: Console) -> None:
    """Medians with their ranges, and how many times better than the best peer kumofs is."""
    peers = [side for side in results.sides if not side.startswith("kumofs")]
    compared = bool(peers) and "kumofs" in results.sides
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("")
    for name in [*results.sides, *(["best peer", "ratio"] if compared else [])]:
        table.add_column(name, justify="right", no_wrap=name == "ratio")
    for workload, steps in results.steps.items():
        table.add_row()
        table.add_row(Text(workload, "bold"))
        for step in steps:
            if not step.startswith(HIDDEN):
                table.add_row(f"  {step}", *row(results, workload, step, compared))
    console.print(results.about["title"], LEGEND, "", sep="\n", markup=False, highlight=False)
    console.print(table)
    for problem in results.problems:
        console.print(problem, markup=False, style="dim")


def width(results: Results) -> int:
    """Characters that its table needs."""
    return WIDTH_CHARACTERS + SIDE_CHARACTERS * len(results.sides)


def row(results: Results, workload: str, step: str, compared: bool) -> Iterator[str]:
    """The cells of one step."""
    for side in results.sides:
        yield text(results.cell(workload, step, side))
    if compared:
        best, ratio = results.best_peer(workload, step), results.ratio(workload, step)
        yield best[0] if best else "-"
        yield "-" if ratio is None else f"{ratio:.2f}"


def text(cell: Cell | None) -> str:
    """A number with its range; "-" and why, where there is none; "*" after a number that not all rounds have."""
    if cell is None:
        return "-"
    if cell.median is None:
        return str(cell.failed) if str(cell.failed).startswith(">") else f"- ({cell.failed})"
    low, high = number(cell.low), number(cell.high)
    low_high = f" ({low}–{high})" if low != high else ""
    return f"{number(cell.median)}{low_high}{'*' if cell.failed else ''}"


def number(value: float) -> str:
    """Three digits or so."""
    return (
        f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"
    )
