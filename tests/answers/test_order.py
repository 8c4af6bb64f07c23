"""A read never overtakes a write to the same pages: the kernel may have dropped them, and would keep what it reads now."""

from __future__ import annotations

from collections.abc import Awaitable

import trio

SOON_S = 0.1


def test_a_read_waits_for_a_write_that_waits_for_an_upload(operations, store, caller) -> None:
    async def run() -> None:
        info, _ = await operations.create(1, b"a", 0o644, 2, caller)
        await operations.write(info.fh, 0, b"old bytes" * 1000)
        answers: list[object] = []

        async def note(answer: Awaitable[object]) -> None:
            answers.append(await answer)

        store.stall()
        async with trio.open_nursery() as nursery:
            for request in (
                operations.flush(info.fh),
                operations.write(info.fh, 4, b"new"),
                operations.read(info.fh, 0, 10),
                operations.read(info.fh, 4096, 4),
            ):
                nursery.start_soon(note, request)
                await trio.sleep(SOON_S)
            assert answers == [b"ld b"], "only other pages are there at once"
            store.answer()
        assert answers.index(3) < answers.index(b"old neweso")

    trio.run(run)
