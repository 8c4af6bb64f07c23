"""What the daemon holds in memory."""

from __future__ import annotations

import time

from bench.process import resident_mib
from bench.trial import Trial, run

SETTLE_S = 1.0


def memory(trial: Trial) -> None:
    """Idle after a mount, and after a listing of many files."""
    time.sleep(SETTLE_S)
    trial.samples["idle, MiB"] = resident_mib(trial.side.pid)
    trial.make_entries(trial.sizes.entries)
    title = f"after a listing of {trial.sizes.entries:,}"
    trial.time(f"({title}: ls -lR)", lambda: run("ls", "-lR", trial.side.top))
    time.sleep(SETTLE_S)
    trial.samples[f"{title}, MiB"] = resident_mib(trial.side.pid)
