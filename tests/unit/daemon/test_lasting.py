"""What lasts as long as a mount: a mistake in it is told, and it begins anew."""

from __future__ import annotations

import logging

import pytest
import trio
import trio.testing

from kumofs.daemon.lasting import lasting


def test_a_task_that_fails_is_told_of_and_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    begun: list[int] = []

    async def task(most: int) -> None:
        begun.append(len(begun))
        if len(begun) < most:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                raise ValueError("not expected")

    with caplog.at_level(logging.ERROR):
        trio.run(lasting, task, 3, clock=trio.testing.MockClock(autojump_threshold=0))
    assert begun == [0, 1, 2]
    assert [record.message.endswith("failed; it begins anew") for record in caplog.records] == [True, True]


def test_the_end_of_the_mount_ends_it() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lasting, trio.sleep_forever)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

    trio.run(main)
