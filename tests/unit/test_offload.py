"""The crossing into threads: results, errors, cancellation, bounds."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from kumofs import offload
from kumofs.offload import Lane


def run(test: Callable[[Lane], Awaitable[None]], threads: int = 2) -> None:
    async def main() -> None:
        with trio.fail_after(20):
            await test(Lane(threads))

    trio.run(main)


def test_a_result_and_an_error_come_back() -> None:
    async def test(lane: Lane) -> None:
        assert await lane.run_in_thread(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await lane.run_in_thread(divmod, 7, 0)

    run(test)


def test_it_runs_off_the_loop_and_in_no_more_threads_than_there_may_be() -> None:
    async def test(lane: Lane) -> None:
        seen: set[int] = set()

        def work() -> None:
            seen.add(threading.get_ident())
            time.sleep(0.02)

        async with trio.open_nursery() as nursery:
            for _ in range(12):
                nursery.start_soon(lane.run_in_thread, work)
        assert 1 <= len(seen) <= 3
        assert threading.get_ident() not in seen

    run(test, threads=3)


def test_who_is_cancelled_does_not_wait_and_the_call_keeps_its_thread() -> None:
    async def test(lane: Lane) -> None:
        began, goes_on = trio.Event(), threading.Event()
        token = trio.lowlevel.current_trio_token()

        def work() -> None:
            token.run_sync_soon(began.set)
            goes_on.wait(10)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(lane.run_in_thread, work)
            await began.wait()
            nursery.cancel_scope.cancel()
        with trio.move_on_after(0.1) as scope:
            await lane.run_in_thread(int)
        assert scope.cancelled_caught, "the only thread is taken"
        goes_on.set()
        assert await lane.run_in_thread(int) == 0

    run(test, threads=1)


def test_what_was_not_begun_when_it_was_cancelled_never_is() -> None:
    async def test(lane: Lane) -> None:
        done: list[str] = []
        goes_on = threading.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lane.run_in_thread, goes_on.wait, 10)
            await wait_all_tasks_blocked()
            with trio.move_on_after(0.05):
                await lane.run_in_thread(done.append, "cancelled")
            goes_on.set()
        await lane.run_in_thread(done.append, "wanted")
        assert done == ["wanted"]

    run(test, threads=1)


def test_threads_that_have_nothing_to_do_end_and_others_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offload, "IDLE_S", 0.05)

    async def test(lane: Lane) -> None:
        before = set(threading.enumerate())
        for number in range(4):
            assert await lane.run_in_thread(divmod, number, 1) == (number, 0)
            while any(thread.name == "crew" for thread in set(threading.enumerate()) - before):
                await trio.sleep(0.01)

    run(test)


def test_a_thread_that_ends_just_then_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offload, "IDLE_S", 0.001)

    async def test(lane: Lane) -> None:
        for number in range(300):
            await trio.sleep(0.001)
            assert await lane.run_in_thread(divmod, number, 1) == (number, 0)

    run(test)
