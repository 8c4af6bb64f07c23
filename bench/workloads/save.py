"""Saving as editors do: a new file is renamed over the old one."""

from __future__ import annotations

from pathlib import Path

from bench.bucket import Objects
from bench.trial import Trial


def save(trial: Trial) -> None:
    """Until the rename returns, and until the new bytes lie under the final key and nothing else is there."""
    target = trial.side.top / "letter.txt"
    taken = trial.time("(the old one: closed)", lambda: target.write_bytes(b"before"))
    trial.durable("(the old one: durable)", [6], taken)
    taken = trial.time("save: done", lambda: save_over(target))
    if trial.side.plain:
        trial.wait("save: under its key", settled, taken)


def save_over(target: Path) -> None:
    draft = target.with_name("letter.txt.tmp")
    draft.write_bytes(b"the new text")
    draft.rename(target)


def settled(found: Objects) -> bool:
    return [(key.rpartition("/")[2], size) for key, (size, _) in found.items()] == [("letter.txt", 12)]
