"""The plan of a partial update: it makes the file, keeps to the bounds of parts, and sends the least that can be sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumofs.staging.part_plan import COPIED_MIN_BYTES, cheapest, plan_parts
from kumofs.staging.ranges import RangeSet

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
PART_MIN_BYTES = 5 * MIB
COPY_MAX_BYTES = 5 * GIB
COUNT_MAX = 10_000


def unchanged(size: int, written: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return RangeSet(written).gaps(0, size)


def sent_bytes(pieces) -> int:
    return sum(piece.length for piece in pieces if not piece.copied)


def check(size: int, ranges: list[tuple[int, int]], pieces, least: int) -> None:
    end = 0
    for piece in pieces:
        assert piece.start == end
        end += piece.length
        if piece is not pieces[-1]:
            assert piece.length >= least
        if piece.copied:
            assert any(first <= piece.start and end <= last for first, last in ranges), "copied from where it was changed"
    assert end == size


@st.composite
def small_files(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]], int]:
    size = draw(st.integers(1, 40))
    edges = sorted(draw(st.sets(st.integers(0, size), max_size=16)))
    return size, unchanged(size, list(zip(edges[::2], edges[1::2], strict=False))), draw(st.integers(1, 7))


def least_that_can_be_sent(size: int, ranges: list[tuple[int, int]], least: int) -> int:
    """Every way to cut the file into parts is tried."""
    best = [0] + [size + 1] * size
    for end in range(1, size + 1):
        for start in range(end if end == size else max(0, end - least + 1)):
            copied = any(first <= start and end <= last for first, last in ranges)
            best[end] = min(best[end], best[start] + (0 if copied else end - start))
    return best[size]


@given(small_files())
def test_nothing_sends_less(file) -> None:
    size, ranges, least = file
    pieces = [piece for piece in cheapest(size, ranges, least) if piece.length]
    check(size, ranges, pieces, least)
    assert sent_bytes(pieces) == least_that_can_be_sent(size, ranges, least)


@st.composite
def large_files(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    size = draw(st.one_of(st.integers(1, 64 * MIB), st.integers(1, 8 * GIB), st.integers(1, 5 * TIB)))
    starts = draw(st.lists(st.integers(0, size - 1), max_size=40))
    written = [(start, min(size, start + draw(st.integers(1, 30 * MIB)))) for start in starts]
    return size, unchanged(size, written)


@given(large_files())
def test_parts_keep_to_the_bounds_of_s3(file) -> None:
    size, ranges = file
    pieces = plan_parts(size, ranges, PART_MIN_BYTES, COUNT_MAX)
    if not pieces:
        return
    check(size, ranges, pieces, PART_MIN_BYTES)
    assert len(pieces) <= COUNT_MAX
    assert max(piece.length for piece in pieces) <= COPY_MAX_BYTES
    assert size - sent_bytes(pieces) >= COPIED_MIN_BYTES


@pytest.mark.parametrize(
    ("size", "written", "sent"),
    [
        (GIB, [(512 * MIB, 512 * MIB + 4 * KIB)], PART_MIN_BYTES),
        (GIB, [(0, 4 * KIB)], PART_MIN_BYTES),
        (GIB, [(GIB - 4 * KIB, GIB)], 4 * KIB),
        (GIB + MIB, [(GIB, GIB + MIB)], MIB),
        (512 * MIB, [], 0),
        (GIB, [(100 * MIB, 100 * MIB + 1), (900 * MIB, 900 * MIB + 1)], 2 * PART_MIN_BYTES),
        (GIB, [(100 * MIB, 100 * MIB + 1), (102 * MIB, 102 * MIB + 1)], PART_MIN_BYTES),
    ],
    ids=["in the middle", "at the beginning", "at the end", "append", "cut", "far apart", "close together"],
)
def test_what_is_sent_of_a_large_file(size, written, sent) -> None:
    assert sent_bytes(plan_parts(size, unchanged(size, written), PART_MIN_BYTES, COUNT_MAX)) == sent


@pytest.mark.parametrize(
    ("size", "written"),
    [(0, []), (4 * MIB, [(0, 1)]), (12 * MIB, [(6 * MIB, 6 * MIB + 1)]), (GIB, [(0, GIB)]), (GIB, [(0, GIB - MIB)])],
    ids=["empty", "small", "too little on both sides", "all of it", "nearly all of it"],
)
def test_where_it_is_not_worth_it_all_is_sent(size, written) -> None:
    assert plan_parts(size, unchanged(size, written), PART_MIN_BYTES, COUNT_MAX) == []


def test_thousands_of_changes_are_planned_for() -> None:
    written = [(start, start + 4 * KIB) for start in range(0, 100 * GIB, 6 * MIB)]
    ranges = unchanged(100 * GIB, written)
    pieces = plan_parts(100 * GIB, ranges, PART_MIN_BYTES, COUNT_MAX)
    assert not pieces or len(pieces) <= COUNT_MAX
