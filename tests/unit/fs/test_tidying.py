"""Tidying: entries go in lots behind the answers, and wait while the catalog does not answer."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from kumofs.catalog.clean_names import Taken
from kumofs.errors import CatalogUnavailable
from kumofs.fs import tidying as module
from kumofs.fs.tidying import Tidying


class Catalog:
    """A lane and what is asked through it: notes the lots of names; `away` makes it fail."""

    def __init__(self) -> None:
        self.lots: list[list[int]] = []
        self.told: list[tuple[int, bool]] = []
        self.away = False

    def note_told(self, ino: int, arev: int, *, all_of_it: bool) -> None:
        assert arev == 9
        self.told.append((ino, all_of_it))

    async def run(self, _function: Any, _engine: Any, taken: list[Taken]) -> dict[int, int]:
        await trio.sleep(0.1)
        if self.away:
            raise CatalogUnavailable("away")
        self.lots.append([each.ino for each in taken])
        return dict.fromkeys({int(each.name_id.split("/")[0]) for each in taken}, 9)


def taken(ino: int, directory: int = 1) -> Taken:
    return Taken(f"{directory}/n{ino}", ino, 7)


def run(test: Any) -> Catalog:
    """Run a test with a catalog and its tidying, which goes on in the background, on a clock that jumps."""
    catalog = Catalog()

    async def main() -> None:
        tidying = Tidying(None, catalog, catalog)  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tidying.run)
            await test(catalog, tidying)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return catalog


def test_names_that_come_meanwhile_go_together() -> None:
    async def test(_: Catalog, tidying: Tidying) -> None:
        for ino in range(5):
            tidying.add(taken(ino))
            await trio.sleep(0.03)
        await trio.sleep(1)

    assert run(test).lots == [[0], [1, 2, 3], [4]]


def test_a_lot_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE_MAX", 2)

    async def test(_: Catalog, tidying: Tidying) -> None:
        for ino in range(5):
            tidying.add(taken(ino))
        await trio.sleep(1)

    assert run(test).lots == [[0, 1], [2, 3], [4]]


def test_they_wait_in_order_while_the_catalog_is_away() -> None:
    async def test(catalog: Catalog, tidying: Tidying) -> None:
        catalog.away = True
        tidying.add(taken(1))
        tidying.add(taken(2))
        await trio.sleep(3)
        catalog.away = False
        await trio.sleep(3)

    assert run(test).lots == [[1, 2]]


def test_a_directory_is_tidy_when_it_was_waited_for() -> None:
    async def test(catalog: Catalog, tidying: Tidying) -> None:
        tidying.add(taken(1, directory=5))
        await trio.sleep(0.05)
        tidying.add(taken(2, directory=6))
        await tidying.wait_tidy(7)
        assert catalog.lots == []
        await tidying.wait_tidy(6)
        assert catalog.lots == [[1], [2]]
        await tidying.wait_tidy(5)

    run(test)


def test_a_directory_is_told_of_once_nothing_of_it_waits() -> None:
    async def test(catalog: Catalog, tidying: Tidying) -> None:
        tidying.add(taken(1, directory=5))
        await trio.sleep(0.05)  # which is on its way now
        tidying.add(taken(2, directory=5))
        tidying.add(taken(3, directory=6))
        await tidying.wait_tidy(6)
        assert catalog.lots == [[1], [2, 3]]
        assert catalog.told[0] == (5, False) and sorted(catalog.told[1:]) == [(5, True), (6, True)]

    run(test)


def test_what_was_under_way_when_the_mount_ends_is_tidied_in_the_end() -> None:
    async def test(catalog: Catalog, tidying: Tidying) -> None:
        tidying.add(taken(1))
        with trio.move_on_after(0.05):
            await tidying.tidy_all()
        await tidying.tidy_all()
        assert catalog.lots == [[1]]

    run(test)
