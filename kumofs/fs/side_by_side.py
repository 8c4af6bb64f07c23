"""side_by_side: a few of many calls at a time. What one of them raises is raised as itself: a nursery would make a group of it,
which nobody who expects the exception catches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import trio

from kumofs.errors import KumofsError

T = TypeVar("T")


async def side_by_side(at_once: int, calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """The results of the calls, `at_once` at a time. Raises the first KumofsError of any; the others are then cancelled."""
    results: dict[int, T] = {}
    problems: list[KumofsError] = []
    limit = trio.CapacityLimiter(at_once)

    async def one(place: int, call: Callable[[], Awaitable[T]]) -> None:
        async with limit:
            try:
                results[place] = await call()
            except KumofsError as problem:
                problems.append(problem)
                nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for place, call in enumerate(calls):
            nursery.start_soon(one, place, call)
    if problems:
        raise problems[0]
    return [results[place] for place in range(len(calls))]
