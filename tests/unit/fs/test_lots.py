"""Lots: what is taken from a queue, and how it is shared out."""

from __future__ import annotations

from collections import deque

import pytest

from kumofs.fs.lots import dealt, first_of


def test_the_first_are_taken_as_long_as_they_are_such() -> None:
    queue = deque([1, 2, 3, 9, 4])
    assert first_of(queue, 2) == [1, 2]
    assert first_of(queue, 9, lambda each: each < 9) == [3]
    assert [*queue] == [9, 4]


@pytest.mark.parametrize(("count", "hands", "sizes"), [(0, 8, []), (3, 8, [1, 1, 1]), (10, 4, [3, 3, 2, 2]), (5, 1, [5])])
def test_everything_is_dealt_evenly_and_no_hand_is_empty(count: int, hands: int, sizes: list[int]) -> None:
    lots = dealt([*range(count)], hands)
    assert [len(lot) for lot in lots] == sizes
    assert sorted(each for lot in lots for each in lot) == [*range(count)]
