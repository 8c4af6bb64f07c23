"""Streams in the background: large new files go into the store while programs still write them (`staging/streaming`)."""

from __future__ import annotations

import logging

import trio

from kumofs.errors import KumofsError
from kumofs.fs.drive import Drive
from kumofs.fs.node import Node
from kumofs.staging.staged import StagedFile
from kumofs.staging.stream import SENDERS, Stream
from kumofs.staging.streaming import begin, give_up, may_stream, send_next

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Files that are streamed at a time, until they are committed."""
LOOK_S = 0.05


class Streamer:
    """Streams what is being written to a drive."""

    def __init__(self, drive: Drive) -> None:
        self._drive = drive
        self._in_memory = trio.CapacityLimiter(SENDERS)

    async def run(self) -> None:
        """Stream for ever, as writers tell of files that are large by now."""
        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(self._stream_for_ever)

    async def _stream_for_ever(self) -> None:
        while True:
            node = await self._drive.streams.next()
            if node.staged is not None and may_stream(self._drive.store, node.staged):
                node.staged.streamed = True
                try:
                    await self._stream(node, node.staged)
                except KumofsError as problem:
                    log.debug("inode %d is not streamed: %s", node.ino, problem)

    async def _stream(self, node: Node, staged: StagedFile) -> None:
        drive = self._drive
        stream = await drive.uploads.run_in_thread(begin, drive.engine, drive.store, staged)
        if stream is None:
            return
        if node.staged is staged and not node.busy:  # else it is being committed already
            staged.begin_stream(stream)
            async with trio.open_nursery() as nursery:
                for _ in range(SENDERS):
                    nursery.start_soon(self._send, node, staged, stream)
            if staged.stream is None:
                return
        await drive.uploads.run_in_thread(give_up, drive.engine, drive.store, staged, stream)

    async def _send(self, node: Node, staged: StagedFile, stream: Stream) -> None:
        """Send what there is, until the file is committed, or is gone."""
        while node.staged is staged and staged.stream is stream:
            if not stream.has_next(staged.appended):
                await trio.sleep(LOOK_S)
                continue
            try:
                async with self._in_memory:
                    await self._drive.uploads.run_in_thread(send_next, self._drive.store, staged, stream)
            except KumofsError as problem:
                log.debug("the rest of inode %d is sent when it is saved: %s", node.ino, problem)
                stream.stop()
