"""What this mount gave another path, for `settling` to bring the keys after it."""

from __future__ import annotations

import trio


class Moved:
    """Inodes by number. `left`: how many of the home are not settled yet, as far as is known."""

    def __init__(self) -> None:
        self._inos: set[int] = set()
        self._arrived = trio.Event()
        self.left = 0

    def __contains__(self, ino: int) -> bool:
        return ino in self._inos

    def add(self, ino: int) -> None:
        """The inode, or what lies in it, has another path."""
        self._inos.add(ino)
        self.left = max(self.left, len(self._inos))
        self._arrived.set()

    def discard(self, ino: int) -> None:
        """Its keys are where they belong."""
        self._inos.discard(ino)

    def wake(self) -> None:
        """Have everything looked at again, at once."""
        self._arrived.set()

    async def wait(self) -> None:
        """Return once something was added since the last call."""
        await self._arrived.wait()
        self._arrived = trio.Event()
