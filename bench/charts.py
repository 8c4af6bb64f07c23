"""The charts of one run: an SVG for each workload, a block of bars for each step.

Each block has its own scale, the longest bar of its own is the full width, for seconds, MiB and reads have none in common.
A thin line shows the range over the rounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

from bench.report import HIDDEN, number
from bench.results import Cell, Results

COLOURS = ("#1f6feb", "#79b0ff", "#e07a1f", "#3a9a5b", "#8a5cc2", "#c94f6d", "#8c7a3f", "#5f6b7a")
LEFT, BARS, RIGHT = 170, 460, 150
BAR, GAP, HEAD, TOP, BLOCK_GAP = 14, 4, 22, 56, 14
FONT = 'font-family="system-ui, sans-serif"'


def draw(results: Results, folder: Path) -> list[Path]:
    """Write one file for each workload that has a number; their paths."""
    written = []
    for workload, steps in results.steps.items():
        shown = [step for step in steps if not step.startswith(HIDDEN) and longest(results, workload, step)]
        if shown:
            path = folder / f"{re.sub(r'[^a-z]+', '-', workload.lower())}.svg"
            path.write_text(chart(results, workload, shown))
            written.append(path)
    return written


def chart(results: Results, workload: str, steps: list[str]) -> str:
    """One SVG document."""
    block = HEAD + len(results.sides) * (BAR + GAP) + BLOCK_GAP
    width, height = LEFT + BARS + RIGHT, TOP + len(steps) * block
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" {FONT}>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        label(16, 24, workload, size=17, weight="bold"),
        label(16, 42, f"{results.about['title']}; shorter is better", size=11, colour="#57606a"),
    ]
    for index, step in enumerate(steps):
        lines += bars(results, workload, step, TOP + index * block)
    return "\n".join([*lines, "</svg>", ""])


def bars(results: Results, workload: str, step: str, top: int) -> Iterator[str]:
    """The block of one step."""
    most = longest(results, workload, step)
    unit = "" if ", MiB" in step or "CPU" in step else ", s"
    yield label(16, top + 15, f"{step}{unit}", size=13, weight="bold")
    for index, side in enumerate(results.sides):
        y = top + HEAD + index * (BAR + GAP)
        yield label(LEFT - 8, y + BAR - 3, side, anchor="end")
        yield from bar(results.cell(workload, step, side), COLOURS[index % len(COLOURS)], y, most)


def bar(cell: Cell | None, colour: str, y: int, most: float) -> Iterator[str]:
    """A bar with its range and its number, or why there is none."""
    if cell is None or cell.median is None:
        yield label(LEFT + 6, y + BAR - 3, (cell and cell.failed) or "-", colour="#8b949e")
        return
    end, low, high = (LEFT + BARS * value / most for value in (cell.median, cell.low, cell.high))
    middle = y + BAR / 2
    yield f'<rect x="{LEFT}" y="{y}" width="{max(end - LEFT, 1):.1f}" height="{BAR}" rx="2" fill="{colour}"/>'
    if high > low:
        yield f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="#24292f" stroke-width="1.5"/>'
    yield label(max(end, high) + 6, y + BAR - 3, number(cell.median))


def longest(results: Results, workload: str, step: str) -> float:
    """The greatest number of a step; 0 where there is none."""
    cells = (results.cell(workload, step, side) for side in results.sides)
    return max((cell.high for cell in cells if cell is not None and cell.median is not None), default=0)


def label(
    x: float, y: float, text: str, *, size: int = 12, colour: str = "#24292f", anchor: str = "start", weight: str = ""
) -> str:
    bold = f' font-weight="{weight}"' if weight else ""
    return f'<text x="{x:.1f}" y="{y}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"{bold}>{escape(text)}</text>'
