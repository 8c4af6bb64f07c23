"""Ahead: small files read one after another (cp -r, grep, tar, a gallery) make the drive fetch the next ones of the folder.

Without that each file costs a round trip to the store, one after the other. `trail` says what comes next. What was fetched
lies in the node's reader, as if a program had read it: it is used for that very content, or not at all. Bounded in files and
bytes; what nobody came for goes, the oldest first. Only for stores that are not local. Touched on the event loop only.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from contextlib import ExitStack

import trio

from kumofs.cache.reader import Reader
from kumofs.cache.window import SMALL_BYTES
from kumofs.errors import KumofsError, StoreUnavailable
from kumofs.fs.node import Node
from kumofs.fs.trail import NO_HABIT, SmallFile, Trail
from kumofs.fs.tree import Tree
from kumofs.model import Kind, parent_of
from kumofs.offload import Crew
from kumofs.store.protocol import Store

log = logging.getLogger(__name__)

FETCHERS = 32
"""Files that are fetched at a time: at 20 ms a request some 1,500 a second, more than the interpreter handles."""
FILES_MAX = 256
BYTES_MAX = 32 << 20
"""What is kept, or on its way, for whoever may come."""
TRAILS_MAX = 64
NAMES_MAX = 60_000
"""Folders whose order is remembered, and the files of all of them: some 300 bytes each."""
SORT_AGAIN_S = 2.0
"""A folder that changes all the time is not sorted at every file that is opened in it."""
REST_S = 10.0
"""Nothing is fetched ahead for so long after the store did not answer: it has enough to do with what somebody waits for."""


class Ahead:
    """What is fetched ahead, and what waits for whoever will open it."""

    def __init__(self, store: Store, tree: Tree) -> None:
        self._store = store
        self._tree = tree
        self._kept: OrderedDict[Node, Reader] = OrderedDict()
        self._kept_bytes = 0
        self._coming: dict[Reader, Coming] = {}
        self._crew = Crew(FETCHERS, self._fetch, self._fetched)
        self._trails: OrderedDict[int, Trail] = OrderedDict()
        self._names = 0
        self._habit = NO_HABIT
        self._rests = False
        self._rest_until_s = 0.0

    def read(self, node: Node) -> None:
        """A program reads a file. Opening alone does not count: of what the kernel has in its pages nothing has to be fetched."""
        if not is_small(node) or self._store.capabilities.local_files:
            return
        self._let_go(node)
        trail = self._trail_of(node)
        if trail is None:
            return
        expected = trail.follow(node.ino)
        self._habit = trail.habit
        self._rests = self._rests and trio.current_time() < self._rest_until_s
        for ino in [] if self._rests else expected:
            self._ask(ino)

    async def run(self) -> None:
        """Fetch for ever."""
        await self._crew.run()

    @property
    def on_its_way(self) -> int:
        """How many files are being fetched, or wait for that."""
        return len(self._coming)

    async def arrived(self, reader: Reader) -> None:
        """Wait until what is being fetched is here, or has failed; who would have to wait in line fetches it himself."""
        if (coming := self._coming.get(reader)) is not None and coming.begun:
            await coming.ended.wait()

    def _trail_of(self, node: Node) -> Trail | None:
        """How the files of its folder were opened so far; None where the file is not known to be in it yet."""
        directory = self._tree.find(parent_of(node.linked[0])) if node.linked else None
        if directory is None:
            return None
        trail = self._trails.get(directory.ino)
        if trail is None or node.ino not in trail:
            trail = self._sorted(directory, trail)
            if trail is None or node.ino not in trail:
                return None
        self._trails.move_to_end(directory.ino)
        return trail

    def _sorted(self, directory: Node, old: Trail | None) -> Trail | None:
        now_s = trio.current_time()
        if directory.children is None or (old is not None and now_s < old.sorted_s + SORT_AGAIN_S):
            return old
        trail = self._trails[directory.ino] = Trail(self._small_files(directory.children), self._habit, now_s)
        self._trails.move_to_end(directory.ino)
        self._names += len(trail)
        if old is not None:
            trail.go_on_from(old)
            self._names -= len(old)
        while len(self._trails) > 1 and (len(self._trails) > TRAILS_MAX or self._names > NAMES_MAX):
            self._names -= len(self._trails.popitem(last=False)[1])
        return trail

    def _small_files(self, children: dict[str, int]) -> list[SmallFile]:
        found: list[SmallFile] = []
        for name, ino in children.items():
            node = self._tree.find(ino)
            if node is not None and is_small(node):
                found.append(SmallFile(name, ino, node.inode.size))
        return found

    def _ask(self, ino: int) -> None:
        node = self._tree.find(ino)
        if node is None or not is_small(node) or not is_idle(node) or node.inode.content is None:
            return
        node.reader = reader = Reader(self._store, node.inode.content)
        self._keep(node, reader)
        coming = self._coming[reader] = Coming(node, reader)
        self._crew.put(coming)

    def _keep(self, node: Node, reader: Reader) -> None:
        self._kept[node] = reader
        self._kept_bytes += reader.content.size
        while len(self._kept) > FILES_MAX or self._kept_bytes > BYTES_MAX:
            oldest = next(iter(self._kept))
            unread = self._let_go(oldest)
            if oldest.reader is unread and not oldest.opens and not oldest.opening:
                oldest.close_reader()

    def _let_go(self, node: Node) -> Reader | None:
        reader = self._kept.pop(node, None)
        if reader is not None:
            self._kept_bytes -= reader.content.size
        return reader

    def _fetch(self, coming: Coming) -> None:
        """In a thread."""
        if coming.is_wanted and not self._rests:
            coming.begun = True
            coming.reader.read(0, 1)

    def _fetched(self, coming: Coming, problem: Exception | None) -> None:
        del self._coming[coming.reader]
        coming.end()
        if isinstance(problem, StoreUnavailable):
            self._rest_until_s = trio.current_time() + REST_S
            self._rests = True
        if isinstance(problem, KumofsError):
            log.debug("a file was not fetched ahead, who needs it will ask again: %s", problem)
        elif problem is not None:
            log.error("fetching ahead failed, who needs the file will ask again", exc_info=problem)


class Coming:
    """A node's reader whose bytes are in line or on their way. It is held until they are here, or have failed."""

    def __init__(self, node: Node, reader: Reader) -> None:
        self.reader = reader
        self.begun = False
        self.ended = trio.Event()
        self._node = node
        self._hold = ExitStack()
        self._hold.enter_context(reader.held())

    @property
    def is_wanted(self) -> bool:
        """Whether it still is the node's reader: nobody has read it already, or replaced the file."""
        return self._node.reader is self.reader

    def end(self) -> None:
        """They are here, or have failed."""
        self._hold.close()
        self.ended.set()


def is_small(node: Node) -> bool:
    """Whether a node is a file that is fetched whole, and whose bytes are in the store."""
    content = node.inode.content
    return node.inode.kind is Kind.FILE and node.staged is None and content is not None and 0 < content.size <= SMALL_BYTES


def is_idle(node: Node) -> bool:
    """Whether nobody reads it, or is about to."""
    return node.reader is None and not node.opens and not node.opening
