"""Calls side by side: bounded, in order of their results, and the first problem is told as itself."""

from __future__ import annotations

from functools import partial

import pytest
import trio
import trio.testing

from kumofs.errors import StoreUnavailable
from kumofs.fs.side_by_side import side_by_side


def test_the_results_are_in_the_order_of_the_calls_and_no_more_run_than_may() -> None:
    running = [0, 0]

    async def call(number: int) -> int:
        running[0] += 1
        running[1] = max(running)
        await trio.sleep(10 - number)
        running[0] -= 1
        return number

    calls = [partial(call, number) for number in range(10)]
    done = trio.run(side_by_side, 3, calls, clock=trio.testing.MockClock(autojump_threshold=0))
    assert done == list(range(10))
    assert running == [0, 3]


def test_the_first_problem_is_raised_as_itself_and_nothing_more_is_begun() -> None:
    begun: list[int] = []

    async def call(number: int) -> None:
        begun.append(number)
        fails = len(begun) == 2
        await trio.sleep(1)
        if fails:
            raise StoreUnavailable("away")
        await trio.sleep(1)

    calls = [partial(call, number) for number in range(5)]
    with pytest.raises(StoreUnavailable, match="away"):
        trio.run(side_by_side, 2, calls, clock=trio.testing.MockClock(autojump_threshold=0))
    assert len(begun) == 2


def test_nothing_to_do_is_done() -> None:
    assert trio.run(side_by_side, 2, []) == []
