"""Trails: in which order a program opens the small files of a folder, and so which of them it will open next.

The order is that of the names, as listings show them, or of the inode numbers, by which cp and tar go for speed, or the one that
people see in file managers (`img2` before `IMG10`). A program may leave files out, and several may share the work: what
counts is that it goes on, by a few places each time. Pure: nothing is asked of anybody here.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

NEAR = 4
"""Places from one file to the next at most."""
EVIDENCE = 2
"""Steps along an order before files are expected; to begin with its first file is one."""
FIRST_FILES = 8
"""How many files are expected then; twice as many with each further step, up to FILES_MAX or BYTES_MAX."""
FILES_MAX = 64
BYTES_MAX = 4 << 20
"""So much comes before the deadline of who waits for the next file, even over the slowest line that is provided for."""
PEOPLES_ORDER_MAX = 4000
"""Files of a folder for which people's order is looked at: it is slow to make."""
NUMBER = re.compile(r"(\d+)")


class SmallFile(NamedTuple):
    """A file of a folder."""

    name: str
    ino: int
    size_bytes: int


class Order:
    """One order of files, and how far it was followed. `run`: the steps along it, 0 after any other."""

    def __init__(self, files: Sequence[SmallFile], run: int) -> None:
        self.run = run
        self._inos = [file.ino for file in files]
        self._places = {ino: place for place, ino in enumerate(self._inos)}
        self._ends = list(accumulate(file.size_bytes for file in files))
        self._at = -1
        self._reached = -1

    def __len__(self) -> int:
        return len(self._inos)

    def __contains__(self, ino: int) -> bool:
        return ino in self._places

    def follow(self, ino: int) -> None:
        """A file of this order was opened."""
        place = self._places[ino]
        step = place - self._at
        if self._at < 0:
            self.run = max(self.run, 1) if place == 0 else 0
        elif 0 < step <= NEAR:
            self.run += 1
        elif -NEAR <= step <= 0:
            return  # once more, or by another of several programs
        else:
            self.run, self._reached = 0, place
        self._at = place

    def expected(self) -> list[int]:
        """The files that come next, without those that were expected before."""
        if self.run < EVIDENCE:
            return []
        files = min(FILES_MAX, FIRST_FILES << min(self.run - EVIDENCE, FILES_MAX.bit_length()))
        begin = max(self._at, self._reached) + 1
        end = min(self._at + 1 + files, bisect_right(self._ends, self._ends[self._at] + BYTES_MAX))
        self._reached = max(self._reached, end - 1)
        return self._inos[begin:end]

    def go_on_from(self, old: Order) -> None:
        """Take over how far the order was followed before files came or went."""
        if old._at >= 0:
            self.run = old.run
            self._at = self._reached = self._places.get(old._inos[old._at], -1)


class Trail:
    """How a folder's small files are opened. `habit`: of the folder before, for who walks a tree does not begin anew in each."""

    def __init__(self, files: Sequence[SmallFile], habit: Sequence[int], sorted_s: float) -> None:
        self.sorted_s = sorted_s
        self._orders = [Order(files, run) for files, run in zip(orders(files), habit, strict=False)]

    def __len__(self) -> int:
        return len(self._orders[0])

    def __contains__(self, ino: int) -> bool:
        return ino in self._orders[0]

    @property
    def habit(self) -> list[int]:
        """The evidence for each order."""
        return [min(order.run, EVIDENCE) for order in self._orders] + NO_HABIT[len(self._orders) :]

    def follow(self, ino: int) -> list[int]:
        """A file of the folder was opened; the files to fetch now."""
        for order in self._orders:
            order.follow(ino)
        return max(self._orders, key=lambda order: order.run).expected()

    def go_on_from(self, old: Trail) -> None:
        """Take over what is known of the same folder before files came or went."""
        for order, before in zip(self._orders, old._orders, strict=False):
            order.go_on_from(before)


def orders(files: Sequence[SmallFile]) -> list[list[SmallFile]]:
    """The files in each order."""
    sorters = SORTERS if len(files) <= PEOPLES_ORDER_MAX else SORTERS[:-1]
    return [sorted(files, key=sorter) for sorter in sorters]


def peoples(file: SmallFile) -> list[int | str]:
    """As people sort names: capitals do not count, and numbers do. Text and numbers take turns, text first."""
    return [int(part) if place % 2 else part for place, part in enumerate(NUMBER.split(file.name.casefold()))]


SORTERS: tuple[Callable[[SmallFile], Any], ...] = (lambda file: file.name, lambda file: file.ino, peoples)
NO_HABIT = [0] * len(SORTERS)
