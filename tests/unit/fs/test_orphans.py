"""Orphans: they are freed in lots, in pauses of whoever removes more, and none is left when all of it was asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from kumofs.fs import orphans as module
from kumofs.fs.orphans import LOTS, MANY_MAX, Orphans
from kumofs.offload import Lane
from kumofs.store.directory import DirectoryStore
from kumofs.store.protocol import Capabilities


class Freed:
    """Notes in what lots orphans are freed, instead of freeing them."""

    def __init__(self, took_s: float = 0.0) -> None:
        self.lots: list[list[int]] = []
        self._took_s = took_s
        self._lock = threading.Lock()

    def many(self, engine: object, store: object, inos: Sequence[int]) -> None:
        time.sleep(self._took_s)
        with self._lock:
            self.lots.append([*inos])

    def one(self, engine: object, store: object, ino: int) -> None:
        self.many(engine, store, [ino])

    @property
    def inos(self) -> list[int]:
        return sorted(ino for lot in self.lots for ino in lot)


@pytest.fixture
def freed(monkeypatch: pytest.MonkeyPatch) -> Freed:
    found = Freed()
    monkeypatch.setattr(module, "strip_many", found.many)
    monkeypatch.setattr(module, "strip", found.one)
    return found


def orphans_of(tmp_path: Path, *, many_at_once: bool) -> Orphans:
    class Far(DirectoryStore):
        @property
        def capabilities(self) -> Capabilities:
            return replace(super().capabilities, many_at_once=many_at_once)

    (tmp_path / "store").mkdir()
    engine: Any = None
    return Orphans(engine, Far(tmp_path / "store"), Lane(16))


def running(orphans: Orphans, scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(orphans.run)
            with trio.fail_after(60):
                await scenario()
            nursery.cancel_scope.cancel()

    trio.run(main)


async def until_freed(freed: Freed, count: int) -> None:
    while len(freed.inos) < count:
        await trio.sleep(0.01)


@pytest.mark.parametrize("many_at_once", [True, False])
def test_what_comes_one_after_the_other_goes_in_lots(tmp_path: Path, freed: Freed, many_at_once: bool) -> None:
    orphans = orphans_of(tmp_path, many_at_once=many_at_once)

    async def scenario() -> None:
        for ino in range(64):
            orphans.add(ino)
            await trio.sleep(0.001)
        await until_freed(freed, 64)

    running(orphans, scenario)
    assert freed.inos == [*range(64)]
    assert len(freed.lots) <= (8 if many_at_once else 8 * LOTS // 2)


def test_where_each_object_is_a_request_the_lots_go_side_by_side(tmp_path: Path, freed: Freed) -> None:
    orphans = orphans_of(tmp_path, many_at_once=False)

    async def scenario() -> None:
        for ino in range(MANY_MAX):
            orphans.add(ino)
        await until_freed(freed, MANY_MAX)

    running(orphans, scenario)
    assert len(freed.lots) == LOTS and freed.inos == [*range(MANY_MAX)]


def test_a_steady_trickle_does_not_keep_them_waiting(tmp_path: Path, freed: Freed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GIVE_WAY_MAX_S", 0.2)
    orphans = orphans_of(tmp_path, many_at_once=True)

    async def scenario() -> None:
        ino = 0
        while not freed.lots:
            orphans.add(ino)
            ino += 1
            await trio.sleep(0.02)

    running(orphans, scenario)


def test_who_waits_for_all_of_them_waits_for_what_is_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Freed(took_s=0.3)
    monkeypatch.setattr(module, "strip_many", slow.many)
    monkeypatch.setattr(module, "GIVE_WAY_S", 0.0)
    orphans = orphans_of(tmp_path, many_at_once=True)

    async def scenario() -> None:
        for ino in range(10):
            orphans.add(ino)
        await trio.sleep(0.1)
        assert slow.lots == []  # begun, and not done
        await orphans.strip_all()
        assert slow.inos == [*range(10)]

    running(orphans, scenario)
