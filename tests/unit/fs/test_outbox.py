"""The outbox: what waits, in which order it is sent, and how failures are tried again; on a clock that is wound."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from kumofs.errors import NoSpace, StoreAccessDenied, StoreUnavailable
from kumofs.fs import outbox as module
from kumofs.fs.outbox import Outbox


class File:
    """What the outbox knows of a node."""

    def __init__(self, name: str, size: int = 10) -> None:
        self.name, self.size = name, size

    def __repr__(self) -> str:
        return self.name


class Store:
    """Takes files; `refuse` says why it does not."""

    def __init__(self, outbox: Outbox, takes_s: float = 0.0) -> None:
        self.outbox, self.takes_s = outbox, takes_s
        self.refuse: Exception | None = None
        self.put_off_s = 0.0
        self.tried: list[float] = []
        self.sent: list[str] = []
        self.at_once = self.most_at_once = 0

    async def send(self, file: Any) -> None:
        self.tried.append(trio.current_time())
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await trio.sleep(self.takes_s)
        self.at_once -= 1
        if (problem := self.refuse) is not None:
            self.outbox.put_off(file, problem)
            await trio.sleep(self.put_off_s)
            raise problem
        self.sent.append(file.name)
        self.outbox.discard(file)


def with_outbox(test: Callable[[Outbox, Store], Any], takes_s: float = 0.0, room: bool = True) -> None:
    """Run a test with an outbox that sends, on a clock that jumps whenever everything waits."""

    async def main() -> None:
        area = SimpleNamespace(has_room=lambda more: area.room, room=room)
        outbox = Outbox(area)
        store = Store(outbox, takes_s)
        store.area = area
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outbox.run, store.send)
            await test(outbox, store)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_burst_is_sent_concurrently_and_bounded() -> None:
    async def test(outbox: Outbox, store: Store) -> None:
        for number in range(1000):
            outbox.add(File(str(number)))
        await trio.sleep(30)
        assert len(store.sent) == 1000 and not len(outbox)
        assert store.most_at_once == module.SENDERS

    with_outbox(test, takes_s=0.1)


def test_uploads_give_way_to_whoever_closes_files_but_not_for_ever() -> None:
    async def test(outbox: Outbox, store: Store) -> None:
        began = trio.current_time()
        for number in range(100):
            outbox.add(File(str(number)))
            await trio.sleep(module.GIVE_WAY_S / 2)
        assert store.tried and min(store.tried) - began == pytest.approx(module.GIVE_WAY_MAX_S, abs=0.2)

    with_outbox(test)


def test_an_hour_without_a_network_loses_nothing_and_does_not_hammer() -> None:
    async def test(outbox: Outbox, store: Store) -> None:
        store.refuse = StoreUnavailable("no route to host")
        for number in range(20):
            outbox.add(File(str(number)))
        await trio.sleep(3600)
        assert len(outbox) == 20 and not store.sent
        assert 20 * 60 < len(store.tried) < 20 * 200
        assert outbox.waiting().last_error == "no route to host"
        assert outbox.waiting().oldest_s == pytest.approx(3600)
        store.refuse = None
        await trio.sleep(module.RETRY_MAX_S + 1)
        assert len(store.sent) == 20 and not len(outbox)

    with_outbox(test)


def test_a_file_that_takes_long_to_be_put_aside_after_its_failure_is_tried_again() -> None:
    async def test(outbox: Outbox, store: Store) -> None:
        store.refuse = StoreUnavailable("no route to host")
        store.put_off_s = 10 * module.RETRY_FIRST_S  # a slow disk: the next try is due by then
        outbox.add(File("letter"))
        await trio.sleep(1)
        assert store.tried
        store.refuse = None
        await trio.sleep(60)
        assert store.sent == ["letter"] and not len(outbox)

    with_outbox(test)


def test_who_waits_hears_of_a_failure_that_was_not_the_outbox_s() -> None:
    async def test(outbox: Outbox, store: Store) -> None:
        file = File("letter")
        outbox.add(file)
        progress = outbox.wait_sent([file])
        assert await anext(progress) == (1, 0)
        async with trio.open_nursery() as nursery:
            with trio.fail_after(module.GIVE_WAY_S / 2):
                nursery.start_soon(fail_soon, outbox, file)
                assert await anext(progress) == (1, 1)
        assert not store.tried

    async def fail_soon(outbox: Outbox, file: File) -> None:  # an fsync, say
        await trio.sleep(module.GIVE_WAY_S / 4)
        outbox.put_off(file, StoreUnavailable("no route to host"))

    with_outbox(test)


def test_a_refusal_keeps_the_file_and_a_person_can_have_it_tried_at_once() -> None:
    async def test(outbox: Outbox, store: Store) -> None:
        store.refuse = StoreAccessDenied("403")
        file = File("secret")
        outbox.add(file)
        await trio.sleep(1)
        assert file in outbox and outbox.waiting().failed == 1
        store.refuse = None
        outbox.retry_now()
        await trio.sleep(0.5)
        assert store.sent == ["secret"]

    with_outbox(test)


def test_waiting_for_files_ends_when_each_was_sent_or_failed_once_more() -> None:
    async def test(outbox: Outbox, store: Store) -> None:
        files = [File(str(number)) for number in range(3)]
        for file in files:
            outbox.add(file)
        seen = [left async for left, _ in outbox.wait_sent(files)]
        assert seen[0] == 3 and seen[-1] == 0
        store.refuse = StoreUnavailable("gone")
        outbox.add(files[0])
        assert [both async for both in outbox.wait_sent([files[0]])][-1] == (1, 1)

    with_outbox(test, takes_s=0.1)


def test_who_waits_hears_of_what_was_sent_while_the_last_step_was_being_told() -> None:
    async def test(outbox: Outbox, store: Store) -> None:
        file = File("letter")
        outbox.add(file)
        with trio.fail_after(60):
            async for _ in outbox.wait_sent([file]):
                await trio.sleep(1)  # a line to the client, on a busy machine
        assert store.sent == ["letter"]

    with_outbox(test)


def test_a_writer_waits_for_room_and_goes_on_when_there_is_some() -> None:
    async def test(outbox: Outbox, store: Store) -> None:
        outbox.add(File("a"))
        outbox.add(File("b"))
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outbox.wait_room, 100)
            await trio.sleep(6)
            store.area.room = True
        assert 6 <= trio.current_time() - began < 20

    with_outbox(test, takes_s=10.0, room=False)


def test_a_writer_is_told_where_nothing_goes_out() -> None:
    async def test(outbox: Outbox, store: Store) -> None:
        store.refuse = StoreUnavailable("gone")
        outbox.add(File("a"))
        with pytest.raises(NoSpace):
            await outbox.wait_room(100)

    with_outbox(test, room=False)


def test_a_clock_that_jumps_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(outbox: Outbox, store: Store) -> None:
        import time

        monkeypatch.setattr(time, "time", lambda: math.inf)
        outbox.add(File("a"))
        await trio.sleep(1)
        assert store.sent == ["a"]

    with_outbox(test)


def test_what_is_closed_again_while_it_is_sent_is_sent_again() -> None:
    async def test(outbox: Outbox, store: Store) -> None:
        file = File("a")
        outbox.add(file)
        await trio.sleep(0.5)
        assert store.at_once == 1
        outbox.discard(file)
        outbox.add(file)
        await trio.sleep(5)
        assert store.sent == ["a", "a"]

    with_outbox(test, takes_s=1.0)


def test_what_is_not_urgent_waits_while_something_is_sent() -> None:
    async def test(outbox: Outbox, store: Store) -> None:
        await outbox.wait_idle()
        outbox.add(File("a"))
        await trio.sleep(0.5)
        began = trio.current_time()
        await outbox.wait_idle()
        assert trio.current_time() - began > 2
        assert store.sent == ["a"]

    with_outbox(test, takes_s=3.0)
