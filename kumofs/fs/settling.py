"""Settling in the background: after renames the objects of files follow their names (`staging/settle`).

What is to follow is noted in the catalog by the very commit that renames, so a kill forgets nothing, and any mount of the
home may do it: the one that renamed at once, another when nobody has for a while.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import trio

from kumofs.catalog.claims import read_inode
from kumofs.catalog.contents import moved_inodes, note_moved, note_settled
from kumofs.catalog.inodes import list_page
from kumofs.errors import KumofsError
from kumofs.fs.drive import Drive
from kumofs.fs.lots import dealt
from kumofs.fs.side_by_side import side_by_side
from kumofs.model import Inode, Kind, ObjectRecord
from kumofs.staging.free_many import free_keys
from kumofs.staging.keys import Claimed, freed
from kumofs.staging.settle import Settled, settle
from kumofs.staging.settle_many import Copied, claim_moves, commit_moves, copy_move

log = logging.getLogger(__name__)

SOON_S = 0.2
"""A save by temporary name and rename is over by then."""
OTHERS_S = 30.0
"""After so long this mount settles what another one renamed."""
EVERY_S = 15.0
PAUSE_FIRST_S, PAUSE_MAX_S = 0.5, 600.0
AT_ONCE = 16
"""Files of a folder that are copied at the same time."""
GIVE_WAY_S = 1.0
"""Each of these waits so long for uploads to end: while there are always some, four files a second are settled."""
TOGETHER = 50
"""Files of a folder whose old keys are freed together."""
LOTS = 4
"""Where the store deletes one at a time, they are shared out: the objects of a lot go one after the other, and each costs the
catalog what all of them would together."""
PAGE = 200
NOTED_MAX = 500
"""Notes looked at in one round."""


@dataclass(slots=True)
class Pause:
    """How long something that is in the way is left alone."""

    until_s: float = 0.0
    length_s: float = PAUSE_FIRST_S


class Settler:
    """Brings the objects of a drive to their keys."""

    def __init__(self, drive: Drive) -> None:
        self._drive = drive
        self._pauses: dict[int, Pause] = {}

    async def run(self) -> None:
        """Settle for ever; the first round takes up what ended halfway."""
        first, next_s = True, math.inf
        while True:
            if self._drive.access.ended is None and not self._drive.access.read_only:
                try:
                    next_s = await self.settle_noted(everything=first)
                except KumofsError as problem:
                    log.warning("keys do not follow names for now: %s", problem)
            first = False
            with trio.move_on_after(min(EVERY_S, max(0.0, next_s))):
                await self._drive.moved.wait()
            await trio.sleep(SOON_S)

    async def settle_noted(self, *, everything: bool = False) -> float:
        """One round over the notes; seconds until the next is worth it."""
        drive = self._drive
        noted = await drive.catalog.run(moved_inodes, drive.engine, drive.access.home, NOTED_MAX)
        drive.moved.left = len(noted)
        horizon_us = drive.engine.now_us() - int(OTHERS_S * 1e6)
        self._pauses = {inode.ino: self._pauses.get(inode.ino, Pause()) for inode in noted}
        for inode in noted:
            ours = everything or inode.ino in drive.moved or inode.moved_us < horizon_us
            if ours and self._pauses[inode.ino].until_s <= trio.current_time():
                await self._try(inode)
        return min((pause.until_s - trio.current_time() for pause in self._pauses.values() if pause.until_s), default=math.inf)

    async def _try(self, noted: Inode) -> None:
        drive = self._drive
        if await self._settled(noted) and await drive.catalog.run(note_settled, drive.engine, noted):
            drive.moved.left -= 1
            drive.moved.discard(noted.ino)
            self._pauses.pop(noted.ino, None)
            return
        pause = self._pauses[noted.ino]
        pause.until_s = trio.current_time() + pause.length_s
        pause.length_s = min(PAUSE_MAX_S, 2 * pause.length_s)

    async def _settled(self, noted: Inode) -> bool:
        """Whether everything that a note stands for is in place now."""
        if noted.kind is Kind.FILE:
            return await self._settle_file(noted.ino)
        if noted.kind is Kind.DIR:
            await self._settle_folder(noted.ino)
        return True

    async def _settle_file(self, ino: int, left: dict[ObjectRecord, str] | None = None) -> bool:
        drive = self._drive
        node = drive.tree.find(ino)
        if node is not None and node.staged is not None:
            return False  # its upload is on its way, and may take the new key by itself
        with trio.move_on_after(GIVE_WAY_S):
            await drive.outbox.wait_idle()
        aside: list[int] = []
        done = await drive.uploads.run_in_thread(settle, drive.engine, drive.store, ino, aside, (), drive.area.begun, left)
        for other in aside:
            drive.moved.add(other)
        if done is Settled.MOVED and node is not None:
            await drive.tree.refresh(node)
        if done is Settled.IN_PLACE:
            inode = await drive.catalog.run(read_inode, drive.engine, ino)
            # without bytes there may be an upload under way somewhere that began under the old name
            return inode is None or not inode.names or inode.content is not None
        return done is Settled.MOVED

    async def _settle_folder(self, ino: int) -> None:
        """Settle what lies in a folder; what cannot be yet is noted by itself."""
        folders = [ino]
        while folders:
            after: str | None = ""
            folder = folders.pop()
            while after is not None:
                page = await self._drive.catalog.run(list_page, self._drive.engine, folder, after, PAGE)
                folders += [inode.ino for _, inode in page.found if inode.kind is Kind.DIR]
                await self._settle_files([inode.ino for _, inode in page.found if inode.kind is Kind.FILE])
                after = page.after

    async def _settle_files(self, inos: list[int]) -> None:
        """Some together; the keys that they leave are freed while the next ones are settled."""
        before: dict[ObjectRecord, str] = {}
        for start in range(0, len(inos), TOGETHER):
            left: dict[ObjectRecord, str] = {}
            settled = partial(self._settle_some, inos[start : start + TOGETHER], left)
            await side_by_side(2, [settled, partial(self._free_left, before)])
            before = left
        await self._free_left(before)

    async def _free_left(self, left: dict[ObjectRecord, str]) -> None:
        drive = self._drive
        lots = dealt([*left.items()], 1 if drive.store.capabilities.many_at_once else LOTS)
        free = partial(free_keys, drive.engine, drive.store)
        await side_by_side(LOTS, [partial(drive.uploads.run_in_thread, free, dict(lot)) for lot in lots])

    async def _settle_some(self, inos: list[int], left: dict[ObjectRecord, str]) -> None:
        """Most of them together, the others singly."""
        drive = self._drive
        resting = [ino for ino in inos if (node := drive.tree.find(ino)) is None or node.staged is None]
        with trio.move_on_after(GIVE_WAY_S):
            await drive.outbox.wait_idle()
        moves, others = await drive.uploads.run_in_thread(claim_moves, drive.engine, resting)
        copied = await self._copies(moves)
        moved = await drive.uploads.run_in_thread(commit_moves, drive.engine, copied)
        for inode in moved.inodes:
            if drive.tree.find(inode.ino) is not None:
                drive.tree.adopt(inode)
        done = {inode.ino for inode in moved.inodes}
        await self._free([move.record for move, _ in copied if move.inode.ino not in done])
        left.update(moved.left)
        alone = {*inos} - {*resting} | {*others} | {move.inode.ino for move in moves} - done
        await side_by_side(AT_ONCE, [partial(self._settle_alone, ino, left) for ino in alone])

    async def _copies(self, moves: list[Claimed]) -> list[Copied]:
        drive = self._drive
        copy = partial(copy_move, drive.engine, drive.store)
        infos = await side_by_side(AT_ONCE, [partial(drive.uploads.run_in_thread, copy, move) for move in moves])
        return [Copied(move, info) for move, info in zip(moves, infos, strict=True) if info is not None]

    async def _free(self, records: Sequence[ObjectRecord]) -> None:
        drive = self._drive
        free = partial(freed, drive.engine, drive.store)
        await side_by_side(AT_ONCE, [partial(drive.uploads.run_in_thread, free, record) for record in records])

    async def _settle_alone(self, ino: int, left: dict[ObjectRecord, str]) -> None:
        if not await self._settle_file(ino, left):
            await self._drive.catalog.run(note_moved, self._drive.engine, ino)
            self._drive.moved.add(ino)
