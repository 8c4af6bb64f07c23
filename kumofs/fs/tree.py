"""The tree: the nodes a mount knows, and the directories it has in memory.

The first lookup in a directory loads all of its names; from then on lookups and listings are answered from here, kept
true by this mount's own verbs (`add_name`, `drop_name`) and by the feed. Bounded: a directory of more than
`DIRECTORY_MAX` names is never kept, and the least recently used directories go when all together hold more than
`NAMES_MAX`. Touched on the event loop only.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import trio

from kumofs.catalog.claims import read_inode
from kumofs.catalog.inodes import Page, list_page, lookup
from kumofs.catalog.port import Engine
from kumofs.errors import NotDirectory, NotFound, StaleHandle
from kumofs.fs.node import Node
from kumofs.model import ROOT_NAME, Inode, entry_id, name_of, parent_of
from kumofs.offload import Lane

DIRECTORY_MAX = 50_000
NAMES_MAX = 80_000
"""About 1.2 KiB a name with its node."""
PAGE = 500
"""Names per step of loading: about 15 ms of the event loop with the embedded engine."""
REMOTE_PAGE = 4000
"""The same where a step is two round trips in a thread: some 2 MiB."""


class Tree:
    """Nodes by inode number; `root` is the home's root directory."""

    def __init__(self, engine: Engine, lane: Lane, root: Inode) -> None:
        self._engine = engine
        self._lane = lane
        self._nodes: dict[int, Node] = {}
        self._loaded: OrderedDict[int, int] = OrderedDict()  # directory -> how many names were loaded
        self._names = 0
        self.root = self.adopt(root)
        self.root.lookups = 1

    def __len__(self) -> int:
        return len(self._nodes)

    def nodes(self) -> list[Node]:
        """All nodes."""
        return list(self._nodes.values())

    def find(self, ino: int) -> Node | None:
        """The node of an inode number, if it is remembered."""
        return self._nodes.get(ino)

    def node(self, ino: int) -> Node:
        """The node of an inode number that the kernel was told. StaleHandle where it is not known."""
        try:
            return self._nodes[ino]
        except KeyError:
            raise StaleHandle(f"inode {ino} is not known to this mount") from None

    def directory(self, ino: int) -> Node:
        """The same, of a directory. NotDirectory."""
        node = self.node(ino)
        if not node.is_dir:
            raise NotDirectory(f"inode {ino}")
        return node

    def directory_of(self, name_id: str) -> Node | None:
        """The directory that a name lies in, if it is remembered; the root's own name lies in none."""
        return None if name_id == ROOT_NAME else self.find(parent_of(name_id))

    def adopt(self, inode: Inode) -> Node:
        """The node of an inode, made or refreshed; an older view than the one that is there changes nothing."""
        node = self._nodes.get(inode.ino)
        if node is None:
            linked = tuple(name_id for name_id in inode.names if self._is_known(name_id, inode.ino))
            node = self._nodes[inode.ino] = Node(inode, linked)
        elif not older(inode, node.inode):
            node.inode = as_changed_here(node, still_readable(node, inode))
        return node

    def note_told(self, ino: int, arev: int, *, all_of_it: bool) -> None:
        """The catalog knows when names were taken from a directory; views with a smaller `arev` were read before that.

        `all_of_it`: nothing else of that directory waits to be told.
        """
        node = self._nodes.get(ino)
        if node is not None:
            node.inode = replace(node.inode, arev=max(arev, node.inode.arev))
            if all_of_it:
                node.untold_ns = 0

    def _is_known(self, name_id: str, ino: int) -> bool:
        """Whether the directories in memory know of a name that an inode has. Those that do not learn of it by the feed."""
        directory = self.directory_of(name_id)
        if directory is None:
            return True
        if directory.partial is not None:
            there = directory.partial.get(name_of(name_id))
            return there is not None and there.ino == ino
        return directory.children is None or directory.children.get(name_of(name_id)) == ino

    def remember(self, node: Node) -> Node:
        """The kernel is told of the node once more."""
        node.lookups += 1
        return node

    def forget(self, ino: int, count: int) -> None:
        """The kernel gives `count` of its references back."""
        node = self._nodes.get(ino)
        if node is not None:
            node.lookups = max(0, node.lookups - count)
            self.drop_unused(node)

    def drop_unused(self, node: Node) -> None:
        """Forget a node that nobody refers to."""
        if node.unused and node is not self.root:
            node.close_reader()
            self._unload(node)
            self._nodes.pop(node.ino, None)

    def known_child(self, directory: Node, name: str) -> Node | None:
        """The node under a name of a directory in memory; None: there is no such name, or it is not known."""
        ino = (directory.children or {}).get(name)
        return None if ino is None else self._nodes[ino]

    async def child(self, directory: Node, name: str) -> Node:
        """The node under a name. NotFound."""
        if directory.children is None and not directory.too_big:
            await self.load(directory)
        if directory.children is not None:
            self._loaded.move_to_end(directory.ino)
            ino = directory.children.get(name)
            if ino is None:
                raise NotFound(name)
            return self._nodes[ino]
        inode = await self._lane.run(lookup, self._engine, directory.ino, name)
        if inode is None:
            raise NotFound(name)
        return self.adopt(inode)

    async def load(self, directory: Node) -> None:
        """Read all names of a directory; one that is too big is marked so, and not kept."""
        directory.loading = directory.loading or trio.Lock()
        async with directory.loading:
            if directory.children is not None or directory.too_big:
                return
            directory.partial = {}
            try:
                complete = await self._load_pages(directory, directory.partial)
                if complete:
                    self._keep(directory, directory.partial)
                directory.too_big = not complete
            finally:
                directory.partial = None

    async def page(self, directory: Node, after: str) -> Page:
        """Names and inodes behind the name `after`, as the catalog has them now."""
        limit = PAGE if self._engine.quick else REMOTE_PAGE
        return await self._lane.run(list_page, self._engine, directory.ino, after, limit)

    def add_name(self, directory: Node, name: str, node: Node) -> None:
        """A name of the directory stands for the node from now on."""
        directory.generation += 1
        node.gain(entry_id(directory.ino, name))
        if directory.partial is not None:
            directory.partial[name] = node.inode
        if directory.children is not None:
            old = directory.children.get(name)
            if old == node.ino:
                return
            self.drop_name(directory, name)
            directory.children[name] = node.ino
            directory.folders += node.is_dir
            node.listed += 1
            self._count(directory, 1)

    async def look_again(self, directory: Node, name: str) -> Node | None:
        """Bring one name of a directory in memory up to date with the catalog; the node it stands for."""
        while directory.children is not None or directory.partial is not None:
            generation = directory.generation
            inode = await self._lane.run(lookup, self._engine, directory.ino, name)
            if directory.generation != generation:
                continue  # names changed while the answer was on its way: it may be older than they are
            if inode is None:
                self.drop_name(directory, name)
                return None
            node = self.adopt(inode)
            self.add_name(directory, name, node)
            return node
        return None

    def drop_name(self, directory: Node, name: str, ino: int | None = None) -> None:
        """A name of the directory stands for nothing (or no longer for `ino`)."""
        directory.generation += 1
        if directory.partial is not None:
            there = directory.partial.get(name)
            if there is not None and ino in (None, there.ino):
                del directory.partial[name]
        if directory.children is None or (old := directory.children.get(name)) is None or ino not in (None, old):
            return
        del directory.children[name]
        self._count(directory, -1)
        node = self._nodes[old]
        directory.folders -= node.is_dir
        node.listed -= 1
        self.drop_unused(node)

    def begin_empty(self, directory: Node) -> None:
        """A directory that was just made is loaded: it has no names."""
        self._keep(directory, {})

    async def refresh(self, node: Node) -> None:
        """Read the inode again; one that is gone has no names any more."""
        inode = await self._lane.run(read_inode, self._engine, node.ino)
        if inode is not None:
            self.adopt(inode)
        else:
            vanish(node)

    async def _load_pages(self, directory: Node, partial: dict[str, Inode]) -> bool:
        after: str | None = ""
        while after is not None:
            generation = directory.generation
            page = await self.page(directory, after)
            if directory.generation != generation:
                continue  # names changed while the page was on its way: it may be older than they are
            partial.update(page.found)
            if len(partial) > DIRECTORY_MAX:
                return False
            after = page.after
            await trio.lowlevel.checkpoint()
        return True

    def _keep(self, directory: Node, found: dict[str, Inode]) -> None:
        directory.children = {}
        for name, inode in found.items():
            node = self.adopt(inode)
            node.gain(entry_id(directory.ino, name))  # else the feed, where it brings the next name, leaves this one
            node.listed += 1
            directory.children[name] = node.ino
            directory.folders += node.is_dir
        self._loaded[directory.ino] = 0
        self._count(directory, len(found))

    def _count(self, directory: Node, names: int) -> None:
        self._names += names
        self._loaded[directory.ino] += names
        self._loaded.move_to_end(directory.ino)
        while self._names > NAMES_MAX and len(self._loaded) > 1:
            oldest = next(iter(self._loaded))
            self._unload(self._nodes[oldest])

    def _unload(self, directory: Node) -> None:
        if directory.children is None:
            return
        children, directory.children, directory.folders = directory.children, None, 0
        self._names -= self._loaded.pop(directory.ino)
        for ino in children.values():
            node = self._nodes.get(ino)
            if node is not None:
                node.listed -= 1
                self.drop_unused(node)


def still_readable(node: Node, inode: Inode) -> Inode:
    """What an open file's inode becomes: one that another mount unlinked and stripped of its bytes keeps its content here,
    so that who has it open reads on (or is told that the bytes are gone), and never sees an empty file."""
    if node.opens and not inode.names and inode.content is None and node.inode.content is not None:
        return replace(inode, content=node.inode.content)
    return inode


def as_changed_here(node: Node, inode: Inode) -> Inode:
    """A directory's inode with the time at which we took a name from it, which the catalog is told of a moment later: a view
    that was read in between would set its times back for a while."""
    if node.untold_ns <= inode.mtime_ns:
        return inode
    return replace(inode, mtime_ns=node.untold_ns, ctime_ns=max(inode.ctime_ns, node.untold_ns))


def vanish(node: Node) -> None:
    """The catalog has no such inode any more: it has no names. Its content stays, so that reading on is an error at worst."""
    node.inode = replace(node.inode, names=())


def older(inode: Inode, known: Inode) -> bool:
    """Whether a view of an inode was read before another one.

    Revisions of one document only grow, so that any that is less tells; `changed_us` would not: several clocks write it.
    """
    return inode.rev < known.rev or inode.nrev < known.nrev or inode.arev < known.arev
