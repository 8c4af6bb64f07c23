"""Listing many files."""

from __future__ import annotations

from bench.trial import Trial, run


def listing(trial: Trial) -> None:
    """`ls -lR` and `find`, each from a fresh mount and once more."""
    trial.make_entries(trial.sizes.listed)
    trial.time("ls -lR, cold", lambda: run("ls", "-lR", trial.side.top))
    trial.time("ls -lR, warm", lambda: run("ls", "-lR", trial.side.top))
    trial.cold()
    trial.time("find, cold", lambda: run("find", trial.side.top, "-type", "f"))
    trial.time("find, warm", lambda: run("find", trial.side.top, "-type", "f"))
