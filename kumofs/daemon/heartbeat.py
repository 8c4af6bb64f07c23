"""The heartbeat: how long the event loop, at worst, kept everybody waiting. A handler that blocks it shows up here."""

from __future__ import annotations

import trio

BEAT_S = 0.05


class Heartbeat:
    """Wakes up every `BEAT_S`; `worst_s` is how late it once was."""

    def __init__(self) -> None:
        self.worst_s = 0.0

    async def beat(self) -> None:
        """Measure for ever."""
        due = trio.current_time() + BEAT_S
        while True:
            await trio.sleep_until(due)
            now = trio.current_time()
            self.worst_s = max(self.worst_s, now - due)
            due = now + BEAT_S
