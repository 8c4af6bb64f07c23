"""What one run has measured: all samples, and their medians and ratios."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.trial import Sample

Steps = dict[str, dict[str, list[Sample]]]
"""Samples by step and side, a round each; a text says why there is no number."""


@dataclass(frozen=True)
class Cell:
    """The rounds of one side in one step, summed up."""

    median: float | None
    low: float
    high: float
    failed: str | None
    """Why a round has no number; None where all have."""


@dataclass
class Results:
    """`steps` by the workload's title; `problems`: what else went wrong, a line each; `about`: date, command line, machine,
    versions, sizes, store, catalog, delay."""

    about: dict[str, Any]
    sides: list[str]
    steps: dict[str, Steps] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, workload: str, side: str, samples: dict[str, Sample]) -> None:
        """One round's."""
        steps = self.steps.setdefault(workload, {})
        for step, sample in samples.items():
            steps.setdefault(step, {}).setdefault(side, []).append(sample)

    def cell(self, workload: str, step: str, side: str) -> Cell | None:
        """None where the side never came to that step."""
        samples = self.steps[workload][step].get(side)
        return sum_up(samples) if samples else None

    def best_peer(self, workload: str, step: str) -> tuple[str, float] | None:
        """The peer with the least median, and that."""
        peers = ((side, self.cell(workload, step, side)) for side in self.sides if not side.startswith("kumofs"))
        medians = [(cell.median, side) for side, cell in peers if cell is not None and cell.median is not None]
        return (min(medians)[1], min(medians)[0]) if medians else None

    def ratio(self, workload: str, step: str, side: str = "kumofs") -> float | None:
        """The best peer's median by the side's: above 1 the side is better. None where either has no number, or used nothing."""
        own, best = self.cell(workload, step, side), self.best_peer(workload, step)
        return best[1] / own.median if own and own.median and best else None

    def save(self, path: Path) -> None:
        """As JSON, with the summary for those who want no more."""
        summary = {
            workload: {step: self.row(workload, step) for step in steps if not step.startswith("(")}
            for workload, steps in self.steps.items()
        }
        path.write_text(json.dumps({**asdict(self), "summary": summary}, indent=1, ensure_ascii=False) + "\n")

    def row(self, workload: str, step: str) -> dict[str, Any]:
        """One step in the summary."""
        cells = {side: self.cell(workload, step, side) for side in self.sides}
        best = self.best_peer(workload, step)
        return {
            "sides": {side: asdict(cell) for side, cell in cells.items() if cell is not None},
            "best_peer": best[0] if best else None,
            "ratio": self.ratio(workload, step),
        }


def sum_up(samples: list[Sample]) -> Cell:
    """Median, least and greatest of the numbers among them."""
    numbers = [sample for sample in samples if not isinstance(sample, str)]
    failed = next((sample for sample in samples if isinstance(sample, str)), None)
    if not numbers:
        return Cell(None, 0, 0, failed)
    return Cell(statistics.median(numbers), min(numbers), max(numbers), failed)


def load(path: Path) -> Results:
    """What `save` wrote."""
    found = json.loads(path.read_text())
    return Results(found["about"], found["sides"], found["steps"], found["problems"])
