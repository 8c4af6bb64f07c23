"""Steps of setting up a store, and what came of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """What came of a step."""

    DONE = "done"
    FOUND = "there already"
    NOT_OFFERED = "not offered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """One step, and a note for people ('' for none)."""

    name: str
    outcome: Outcome
    note: str = ""
