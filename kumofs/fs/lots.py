"""Lots: what waits in a queue goes some at a time, and a lot is shared out among several hands."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def first_of(queue: deque[T], most: int, which: Callable[[T], bool] = lambda _: True) -> list[T]:
    """Take the first of a queue out, at most so many, as long as they are such."""
    found: list[T] = []
    while queue and len(found) < most and which(queue[0]):
        found.append(queue.popleft())
    return found


def dealt(things: Sequence[T], hands: int) -> list[Sequence[T]]:
    """The things shared out evenly, as cards are: at most so many hands, none of them empty."""
    return [things[first::hands] for first in range(min(hands, len(things)))]
