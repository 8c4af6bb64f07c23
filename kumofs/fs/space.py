"""statfs: how much room there is."""

from __future__ import annotations

from dataclasses import dataclass

from kumofs.errors import StoreError
from kumofs.fs.drive import Drive
from kumofs.store.protocol import Space

BLOCK_BYTES = 4096
ENDLESS = Space(1 << 60, 1 << 60)
"""What is shown of a store that has no end."""
INODES = 1 << 40


@dataclass(frozen=True, slots=True)
class Room:
    """Blocks of `BLOCK_BYTES`."""

    blocks: int
    free_blocks: int


async def room(drive: Drive) -> Room:
    """The store's room. A store that cannot be asked shows none: a copy program then stops instead of failing halfway."""
    try:
        space = await drive.disk.run_in_thread(drive.store.space) or ENDLESS
    except StoreError:
        space = Space(0, 0)
    return Room(space.total_bytes // BLOCK_BYTES, space.free_bytes // BLOCK_BYTES)
