"""The server's clock, estimated: what this engine stamps changes with, for several hosts write stamps and the feed reads by them.

The server is asked for its time at the opening and once a minute, and oftener while the answer takes long. An answer is taken
to have been true halfway between asking and hearing, so it is wrong by at most half the round trip (and the millisecond that
servers tell time in); between answers this host's monotonic clock counts on, which drifts by some tens of microseconds a
second. Of the estimate that is there and a new one the better is kept. Within a process it never goes back.

So two hosts' stamps differ by the sum of their errors, milliseconds as a rule and half a round trip at worst; the feed looks
back by `OVERLAP_S` (2 s), which leaves most of it for the way of a write from its stamp to its being visible. Members of a
replica set, or several mongos, are as far apart as their own clocks are; keep them by NTP, as MongoDB asks anyway.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

REFRESH_S = 60.0
FINE_US = 100_000.0
"""An error that is small beside the feed's overlap. What is worse, for the host was busy while it heard, is asked again."""
AGAIN_S = 10.0
TRIES = 3
DRIFT = 1e-4
"""Seconds per second that a clock may run wrong: twice what computers' clocks do."""
RESOLUTION_US = 1000


class Estimate(NamedTuple):
    """The server's time at an instant of this host's monotonic clock, and by how much it may be wrong then."""

    server_us: int
    at_us: int
    error_us: float

    def now_us(self, at_us: int) -> int:
        """The server's time at a later instant."""
        return self.server_us + at_us - self.at_us

    def aged_us(self, at_us: int) -> float:
        """By how much that may be wrong."""
        return self.error_us + (at_us - self.at_us) * DRIFT


def monotonic_us() -> int:
    """Microseconds that never go back, and that also pass while the machine sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class ServerClock:
    """Tells the server's time; thread-safe. `ask` gives it in microseconds, or None where the server tells none."""

    def __init__(self, ask: Callable[[], int | None], tick_us: Callable[[], int] = monotonic_us) -> None:
        self._ask = ask
        self._tick_us = tick_us
        self._estimate: Estimate | None = None
        self._due_us = 0
        self._last_us = 0
        self._asking = Lock()
        self._telling = Lock()

    def now_us(self) -> int:
        """The server's time as it is known here, without asking; this host's where the server tells none."""
        with self._telling:
            known = self._estimate
            told = known.now_us(self._tick_us()) if known is not None else time.time_ns() // 1000
            self._last_us = max(self._last_us, told)
            return self._last_us

    def refresh(self) -> None:
        """Ask the server, if that is due and nobody else is asking. Raises what `ask` raises."""
        if self._tick_us() < self._due_us or not self._asking.acquire(blocking=False):
            return
        try:
            self._due_us = self._tick_us() + int(REFRESH_S * 1e6)
            for _ in range(TRIES):
                self._take(self._tick_us(), self._ask(), self._tick_us())
                if self._is_fine():
                    return
            self._due_us = self._tick_us() + int(AGAIN_S * 1e6)
        finally:
            self._asking.release()

    def _is_fine(self) -> bool:
        known = self._estimate
        return known is None or known.aged_us(self._tick_us()) <= FINE_US

    def _take(self, asked_us: int, told_us: int | None, heard_us: int) -> None:
        if told_us is None:
            return
        half_us = (heard_us - asked_us) // 2
        # a server that tells whole milliseconds is half of one ahead of what it tells, on average
        new = Estimate(told_us + RESOLUTION_US // 2, asked_us + half_us, half_us + RESOLUTION_US / 2)
        known = self._estimate
        if known is None or new.error_us <= known.aged_us(heard_us):
            self._estimate = new
