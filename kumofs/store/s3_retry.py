"""Asking again, with growing and random pauses, until a deadline."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from time import sleep
from typing import NoReturn, TypeVar

from kumofs.errors import StoreRefused, StoreThrottled, StoreUnavailable
from kumofs.store.s3_errors import FolderClash

CALL_S = 30.0
"""The time of one call, from its first attempt; more where many bytes are moved."""
UPLOAD_BYTES_PER_S = 256 * 1024
"""The slowest line that large bodies are given time for."""
COPY_BYTES_PER_S = 16 * 1024 * 1024
"""The slowest server that copies within itself are given time for."""
FIRST_PAUSE_S = 0.1
FIRST_THROTTLED_PAUSE_S = 0.5
PAUSE_MAX_S = 5.0
CLASHES_MAX = 3
"""How often a folder in the way is asked about again: servers that keep keys as paths remove empty folders a bit late."""

T = TypeVar("T")


@dataclass(slots=True)
class Attempt:
    """One attempt of a call. `repeated`: an earlier one failed, and may have been applied although its answer was lost."""

    deadline: float
    number: int = 0

    @property
    def repeated(self) -> bool:
        """Whether an earlier attempt may have been applied."""
        return self.number > 0

    @property
    def left_s(self) -> float:
        """The time left for this attempt. StoreUnavailable where there is none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise StoreUnavailable("the store did not answer in time")
        return left


def retried(action: Callable[[Attempt], T], time_s: float = CALL_S) -> T:
    """What the action gives; StoreUnavailable (not StoreRefused) of it is tried again until `time_s` is over.

    An attempt that the end of `time_s` cut short says nothing of the server: what the one before it met is raised then.
    """
    attempt = Attempt(time.monotonic() + time_s)
    met: StoreUnavailable | None = None
    while True:
        try:
            return action(attempt)
        except StoreRefused:
            raise
        except StoreUnavailable as problem:
            if met is not None and time.monotonic() >= attempt.deadline:
                raise met from problem
            pause_s = pause_before_next(attempt.number, problem)
            if time.monotonic() + pause_s >= attempt.deadline:
                raise
            met = problem
        sleep(pause_s)
        attempt.number += 1


def ask_again_on_clash(attempt: Attempt, problem: FolderClash) -> NoReturn:
    """Raise what is tried again, for the first few attempts; then the clash, which stays."""
    if attempt.number < CLASHES_MAX:
        raise StoreUnavailable(str(problem)) from problem
    raise problem


def pause_before_next(number: int, problem: StoreUnavailable) -> float:
    """Seconds to wait after attempt `number` (from 0): what the server asks for, else about twice as long each time."""
    first = FIRST_THROTTLED_PAUSE_S if isinstance(problem, StoreThrottled) else FIRST_PAUSE_S
    asked = float(getattr(problem, "retry_after_s", 0.0))
    longest = min(PAUSE_MAX_S, first * 2.0 ** min(number, 10))
    return asked + longest * random.uniform(0.5, 1.0)  # noqa: S311  (no secret)


def upload_time_s(size_bytes: int) -> float:
    """How long a call may take that sends or receives so much."""
    return CALL_S + size_bytes / UPLOAD_BYTES_PER_S


def copy_time_s(size_bytes: int) -> float:
    """How long a call may take that has the server copy so much."""
    return CALL_S + size_bytes / COPY_BYTES_PER_S
