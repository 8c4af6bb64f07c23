"""A big file: written, read in order, read here and there."""

from __future__ import annotations

import random
from pathlib import Path

from bench.process import peak_mib
from bench.trial import Trial, run

READ_BYTES = 4096


def big_file(trial: Trial) -> None:
    """With the daemon's CPU time for each GiB, and the most memory that it held."""
    big, size = trial.side.top / "big", trial.sizes.big_bytes
    gib = size / (1 << 30)
    with trial.cpu("write: CPU, s/GiB", gib):
        taken = trial.time("write: closed", lambda: run("cp", trial.material / "big", big))
        trial.durable("write: durable", [size], taken)
    trial.samples["write: peak memory, MiB"] = peak_mib(trial.side.pid)
    trial.cold()
    with trial.cpu("read, cold: CPU, s/GiB", gib):
        trial.time("read, cold", lambda: run("cp", big, "/dev/null"))
    trial.time("read, warm", lambda: run("cp", big, "/dev/null"))
    trial.samples["read: peak memory, MiB"] = peak_mib(trial.side.pid)
    trial.cold()
    trial.time(f"{trial.sizes.reads} random reads, cold", lambda: read_here_and_there(big, size, trial.sizes.reads))


def read_here_and_there(path: Path, size: int, reads: int) -> None:
    """4 KiB each, the same places in each run."""
    chance = random.Random(2)
    with open(path, "rb", buffering=0) as file:
        for _ in range(reads):
            file.seek(chance.randrange(size - READ_BYTES))
            file.read(READ_BYTES)
