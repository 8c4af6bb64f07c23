"""Range sets against the plainest model there is: a set of numbers."""

from __future__ import annotations

from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given

from kumofs.staging.ranges import RangeSet

SPOTS = st.integers(0, 40)
CHANGES = st.lists(st.tuples(st.sampled_from(["add", "cut"]), SPOTS, SPOTS))


@given(CHANGES, SPOTS, SPOTS)
def test_a_range_set_is_a_set_of_numbers(changes: list[tuple[str, int, int]], start: int, end: int) -> None:
    ranges, numbers = RangeSet(), set()
    for verb, first, last in changes:
        if verb == "add":
            ranges.add(first, last)
            numbers |= set(range(first, last))
        else:
            ranges.cut(first)
            numbers = {number for number in numbers if number < first}
    listed = ranges.as_list()
    assert {number for first, last in listed for number in range(first, last)} == numbers
    assert all(a[1] < b[0] for a, b in pairwise(listed)), "sorted, apart"
    gaps = {number for first, last in ranges.gaps(start, end) for number in range(first, last)}
    assert gaps == set(range(start, end)) - numbers
