"""A store or a catalog that says nothing: EIO at the deadline, what is here still reads, and all is well when it is back."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable

import pyfuse3
import pytest
import trio

LONG_S = 60.0
"""Longer than any deadline here, and than a slow machine takes."""


async def refused(call: Callable[..., Awaitable[object]], *args: object) -> int:
    with trio.fail_after(LONG_S), pytest.raises(pyfuse3.FUSEError) as caught:
        await call(*args)
    return int(caught.value.errno)


async def answered(call: Callable[..., Awaitable[object]], *args: object) -> object:
    """What it answers, within a generous time: what was abandoned may have to end first."""
    with trio.fail_after(LONG_S):
        while True:
            try:
                return await call(*args)
            except pyfuse3.FUSEError as problem:
                assert problem.errno == errno.EIO
                await trio.sleep(0.1)


def test_a_store_that_says_nothing(operations, store, caller) -> None:
    async def run() -> None:
        info, entry = await operations.create(1, b"a", 0o644, 2, caller)
        await operations.write(info.fh, 0, b"text")
        await operations.flush(info.fh)
        store.stall()
        assert await refused(operations.read, info.fh, 0, 10) == errno.EIO
        assert (await operations.getattr(entry.st_ino, caller)).st_size == 4
        assert (await operations.lookup(1, b"a", caller)).st_ino == entry.st_ino
        other, _ = await operations.create(1, b"b", 0o644, 2, caller)
        await operations.write(other.fh, 0, b"staged")
        assert await refused(operations.flush, other.fh) == errno.EIO
        assert await operations.read(other.fh, 0, 10) == b"staged"
        assert await refused(operations.write, other.fh, 6, b" more") == errno.EIO  # its bytes are on their way
        store.answer()
        assert await answered(operations.read, info.fh, 0, 10) == b"text"
        await answered(operations.write, other.fh, 6, b" more")
        await answered(operations.flush, other.fh)
        assert await operations.read(other.fh, 0, 20) == b"staged more"

    trio.run(run)


def test_a_catalog_that_says_nothing(operations, engine, caller) -> None:
    async def run() -> None:
        folder = await operations.mkdir(1, b"d", 0o755, caller)
        info, entry = await operations.create(1, b"a", 0o644, 2, caller)
        await operations.write(info.fh, 0, b"text")
        await operations.flush(info.fh)
        for node in operations._drive.tree.nodes():
            operations._drive.tree._unload(node)
        engine.stall()
        assert await refused(operations.lookup, 1, b"a", caller) == errno.EIO
        assert await refused(operations.lookup, 1, b"nothing", caller) == errno.EIO
        assert await refused(operations.opendir, folder.st_ino, caller) == errno.EIO
        assert await refused(operations.mkdir, 1, b"e", 0o755, caller) == errno.EIO
        assert (await operations.getattr(entry.st_ino, caller)).st_size == 4
        assert await operations.read(info.fh, 0, 10) == b"text"
        engine.answer()
        assert (await answered(operations.lookup, 1, b"a", caller)).st_ino == entry.st_ino
        with pytest.raises(pyfuse3.FUSEError) as caught:
            await operations.lookup(1, b"nothing", caller)
        assert caught.value.errno == errno.ENOENT

    trio.run(run)


def test_a_close_that_nobody_waits_for_any_more_is_done_all_the_same(operations, store, caller) -> None:
    async def run() -> None:
        info, entry = await operations.create(1, b"a", 0o644, 2, caller)
        await operations.write(info.fh, 0, b"text")
        store.stall()
        assert await refused(operations.flush, info.fh) == errno.EIO
        assert await refused(operations.release, info.fh) == errno.EIO
        store.answer()
        with trio.fail_after(LONG_S):
            while await operations.getxattr(entry.st_ino, b"user.kumo.state", caller) != b"synced":
                await trio.sleep(0.05)
        again = await operations.open(entry.st_ino, 0, caller)
        assert await operations.read(again.fh, 0, 10) == b"text"

    trio.run(run)
