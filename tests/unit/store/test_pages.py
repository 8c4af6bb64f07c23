"""Memory for large bodies: nobody gets what another still looks at, and a process that rests holds none."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest

from kumofs.store.pages import KEPT_MAX_BYTES, POOLED_MAX_BYTES, Pages

MIB = 1 << 20


@pytest.mark.parametrize("length", [1, MIB - 1, MIB, 3 * MIB + 5, 8 * MIB, 8 * MIB + 1, 20 * MIB])
def test_it_is_as_long_as_asked_and_can_be_written(length: int) -> None:
    view = Pages().take(length)
    view[:] = b"x" * length
    assert len(view) == length and bytes(view[-1:]) == b"x"


def test_what_came_back_is_used_again_while_other_memory_is_in_use() -> None:
    pages = Pages()
    kept, first = pages.take(MIB), pages.take(4 * MIB)
    first[:5] = b"first"
    del first
    assert pages.waiting_bytes == 4 * MIB
    assert bytes(pages.take(3 * MIB)[:5]) == b"first"
    assert len(kept) == MIB


def test_a_part_that_somebody_looks_at_keeps_all_of_it() -> None:
    pages = Pages()
    kept, view = pages.take(MIB), pages.take(2 * MIB)
    view[-4:] = b"tail"
    part = view[-4:]
    del view
    others = [pages.take(2 * MIB) for _ in range(3)]
    for other in others:
        other[:] = bytes(2 * MIB)
    assert bytes(part) == b"tail" and len(kept) == MIB


def test_when_nobody_uses_any_none_is_held() -> None:
    pages = Pages()
    views = [pages.take(4 * MIB) for _ in range(5)]
    del views[:4]
    assert pages.waiting_bytes == 16 * MIB
    del views[:]
    assert pages.waiting_bytes == 0


def test_what_waits_is_bounded() -> None:
    pages = Pages()
    kept = pages.take(MIB)
    views = [pages.take(POOLED_MAX_BYTES) for _ in range(2 * KEPT_MAX_BYTES // POOLED_MAX_BYTES)]
    large = pages.take(POOLED_MAX_BYTES + 1)
    del large
    assert pages.waiting_bytes == 0
    del views
    assert pages.waiting_bytes == KEPT_MAX_BYTES and len(kept) == MIB


def test_threads_do_not_get_each_others_memory() -> None:
    pages = Pages()

    def work(number: int) -> bool:
        mark = bytes([number]) * 100
        for _ in range(200):
            view = pages.take(MIB)
            view[:100] = mark
            gc.collect(0)
            if bytes(view[:100]) != mark:
                return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(8)))
