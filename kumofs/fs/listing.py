"""Listings: what an open directory shows, from memory where the directory is loaded, else page by page.

An offset is (page << 32) + position in the page + 1; 0 begins, and "." and ".." come first. Each page has a fixed first
name, so a name that neither came nor went while the listing was open is shown exactly once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

from kumofs.errors import NotFound, StaleHandle
from kumofs.fs.drive import Drive
from kumofs.fs.naming import parent_dir
from kumofs.fs.node import Node
from kumofs.fs.tree import PAGE

SHIFT = 32
DOTS = 2


class Listing:
    """An open directory. Holds one page, and the first name of each page that was seen."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._page: list[tuple[str, int]] = []
        self._begin()

    async def entries(self, drive: Drive, start: int) -> AsyncIterator[tuple[str, Node, int]]:
        """(name, node, offset of the next) from an offset on; the consumer takes as many as it likes."""
        drive.access.may_read()
        if start == 0:
            self._begin()  # rewinddir: the program sees what is there now
        if start < DOTS:
            async for item in self._dots(drive, start):
                yield item
            start = DOTS
        number, position = divmod(start - DOTS, 1 << SHIFT)
        while await self._turn_to(drive, number):
            for place in range(position, len(self._page)):
                name, ino = self._page[place]
                node = drive.tree.find(ino)
                if node is not None:
                    yield name, node, (number << SHIFT) + place + 1 + DOTS
            number, position = number + 1, 0

    def close(self, drive: Drive) -> None:
        """Let go of the nodes of the page."""
        self._release(drive)

    def _begin(self) -> None:
        self._begins: list[str | None] = [""]
        self._page_number = -1
        self._names = sorted(self.node.children) if self.node.children is not None else None

    async def _dots(self, drive: Drive, start: int) -> AsyncIterator[tuple[str, Node, int]]:
        if start == 0:
            yield ".", self.node, 1
        try:
            above = await parent_dir(drive, self.node)
        except NotFound:
            above = self.node
        yield "..", above, DOTS

    async def _turn_to(self, drive: Drive, number: int) -> bool:
        if number == self._page_number:
            return True
        if number >= len(self._begins) or self._begins[number] is None:
            return False
        if self._names is not None and self.node.children is not None:
            found, after = from_memory(self._names, self.node.children, number)
        else:
            page = await drive.tree.page(self.node, self._begins[number] or "")
            found, after = [(name, drive.tree.adopt(inode).ino) for name, inode in page.found], page.after
        self._hold(drive, found)
        self._page_number = number
        if number + 1 == len(self._begins):
            self._begins.append(after)
        return True

    def _hold(self, drive: Drive, found: list[tuple[str, int]]) -> None:
        for _, ino in found:
            node = drive.tree.find(ino)
            if node is not None:
                node.listed += 1
        self._release(drive)
        self._page = found

    def _release(self, drive: Drive) -> None:
        page, self._page = self._page, []
        for _, ino in page:
            node = drive.tree.find(ino)
            if node is not None:
                node.listed -= 1
                drive.tree.drop_unused(node)


def from_memory(names: list[str], children: dict[str, int], number: int) -> tuple[list[tuple[str, int]], str | None]:
    """Page `number` of the names that were there when the listing began, as far as they still are; the next page's begin."""
    some = names[number * PAGE : (number + 1) * PAGE]
    found = [(name, children[name]) for name in some if name in children]
    return found, some[-1] if len(names) > (number + 1) * PAGE else None


class OpenDirectories:
    """Listings by handle."""

    def __init__(self) -> None:
        self._listings: dict[int, Listing] = {}
        self._numbers = count(1)

    def add(self, listing: Listing) -> int:
        """Its handle; the directory counts as open."""
        handle = next(self._numbers)
        listing.node.opens += 1
        self._listings[handle] = listing
        return handle

    def get(self, handle: int) -> Listing:
        """The listing of a handle. StaleHandle."""
        try:
            return self._listings[handle]
        except KeyError:
            raise StaleHandle(f"handle {handle} is not open") from None

    def remove(self, handle: int) -> Listing:
        """The directory is closed."""
        listing = self.get(handle)
        del self._listings[handle]
        listing.node.opens -= 1
        return listing


async def open_directory(drive: Drive, ino: int) -> Listing:
    """Begin a listing. NotDirectory."""
    drive.access.may_read()
    node = drive.tree.directory(ino)
    if node.children is None and not node.too_big:
        await drive.tree.load(node)
    return Listing(node)
