"""A set of byte ranges: which part of a sparse file is there."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from threading import Lock

Range = tuple[int, int]


class RangeSet:
    """Half-open ranges [start, end), sorted, disjoint and not touching each other. Thread-safe: a file is read while what is
    to be sent of it is brought in."""

    def __init__(self, ranges: list[Range] | None = None) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._lock = Lock()
        self.total = 0
        """Bytes in all ranges."""
        for start, end in ranges or []:
            self.add(start, end)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RangeSet) and self.as_list() == other.as_list()

    __hash__ = None  # type: ignore[assignment]

    def as_list(self) -> list[Range]:
        """The ranges in order."""
        with self._lock:
            return list(zip(self._starts, self._ends, strict=True))

    def add(self, start: int, end: int) -> None:
        """Put a range in; what it meets or touches becomes one range with it."""
        if start >= end:
            return
        with self._lock:
            first = bisect_left(self._ends, start)
            last = bisect_right(self._starts, end)
            if first < last:
                start = min(start, self._starts[first])
                end = max(end, self._ends[last - 1])
            self.total += end - start - sum(self._ends[first:last]) + sum(self._starts[first:last])
            self._starts[first:last] = [start]
            self._ends[first:last] = [end]

    def cut(self, size: int) -> None:
        """Take everything from `size` on out."""
        with self._lock:
            keep = bisect_left(self._starts, size)
            self.total -= sum(self._ends[keep:]) - sum(self._starts[keep:])
            del self._starts[keep:], self._ends[keep:]
            if self._ends and self._ends[-1] > size:
                self.total -= self._ends[-1] - size
                self._ends[-1] = size

    def gaps(self, start: int, end: int) -> list[Range]:
        """The parts of [start, end) that are not in the set."""
        found: list[Range] = []
        with self._lock:
            position = bisect_right(self._ends, start)
            while start < end:
                if position == len(self._starts) or self._starts[position] >= end:
                    found.append((start, end))
                    break
                if self._starts[position] > start:
                    found.append((start, self._starts[position]))
                start = self._ends[position]
                position += 1
        return found
