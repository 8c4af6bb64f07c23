"""Edits of a big file that is in the bucket: what they take, and what goes over the wire."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bench.bounded import Failed
from bench.bucket import replaced
from bench.trial import Trial, run

EDIT_BYTES = 4096
APPEND_BYTES = 1 << 20


def edits(trial: Trial) -> None:
    """4 KiB in the middle, 1 MiB at the end, then half of it cut off; each from a fresh mount."""
    big, size = trial.side.top / "big", trial.sizes.big_bytes
    taken = trial.time("(write it: closed)", lambda: run("cp", trial.material / "big", big))
    trial.durable("(write it: durable)", [size], taken)
    change(trial, "edit 4 KiB", lambda: write_at(big, size // 2, EDIT_BYTES), size)
    change(trial, "append 1 MiB", lambda: write_at(big, size, APPEND_BYTES), size + APPEND_BYTES)
    change(trial, "truncate to half", lambda: os.truncate(big, size // 2), size // 2)


def change(trial: Trial, title: str, action: Callable[[], object], size: int) -> None:
    """Until it returns, and until the new content has taken the place of the old one."""
    trial.cold()
    before = trial.bucket.objects()
    with suppress(Failed), trial.wire(title):
        taken = trial.time(f"{title}: closed", action)
        trial.wait(f"{title}: durable", replaced(before, size, trial.side.plain), taken)


def write_at(path: Path, offset: int, size: int) -> None:
    """Random bytes."""
    with open(path, "r+b", buffering=0) as file:
        file.seek(offset)
        file.write(os.urandom(size))
