"""The trial of a catalog: engines that are atomic pass, one that reads and then writes does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kumofs.catalog.atomicity import explanation, try_atomicity
from kumofs.catalog.schema import COUNTERS
from kumofs.catalog.sqlite import SqliteEngine
from kumofs.errors import CatalogUnavailable


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[SqliteEngine]:
    opened = SqliteEngine(tmp_path / "catalog.db")
    yield opened
    opened.close()


class ReadThenWrite:
    """An engine whose update is a query and then a write, and whose insert looks first; it says it is one step."""

    def __init__(self, engine: SqliteEngine) -> None:
        self._engine = engine

    def __getattr__(self, name):
        return getattr(self._engine, name)

    def update(self, collection, id, where=None, set=None, unset=(), inc=None, stamp=()):
        doc = self._engine.get(collection, id)
        if doc is None or any(doc.get(field) != value for field, value in (where or {}).items()):
            return None
        time.sleep(0.001)  # the network
        changed = {**(set or {}), **{field: doc[field] + amount for field, amount in (inc or {}).items()}}
        return self._engine.update(collection, id, set=changed)

    def insert(self, collection, doc, stamp=()):
        if self._engine.get(collection, doc["_id"]) is None:
            time.sleep(0.001)
            self._engine.delete(collection, doc["_id"])
        self._engine.insert(collection, doc, stamp)


class Dropping:
    """An engine that stops answering after some calls."""

    def __init__(self, engine: SqliteEngine) -> None:
        self._engine = engine
        self.left = 30

    def __getattr__(self, name):
        return getattr(self._engine, name)

    def update(self, *args, **kwargs):
        self.left -= 1
        if self.left < 0:
            raise CatalogUnavailable("gone")
        return self._engine.update(*args, **kwargs)


def test_sqlite_is_atomic_and_nothing_is_left(engine: SqliteEngine) -> None:
    trial = try_atomicity(engine)
    assert trial.is_atomic, str(trial)
    assert trial.increments == 200
    assert engine.scan(COUNTERS) == []


def test_an_engine_that_reads_and_then_writes_is_found_out(engine: SqliteEngine) -> None:
    trial = try_atomicity(ReadThenWrite(engine))
    assert not trial.is_atomic
    assert trial.lost > 0
    assert trial.unfair_swaps > 0
    assert trial.unfair_inserts > 0
    assert "not atomic" in explanation(trial)
    assert engine.scan(COUNTERS) == []


def test_a_catalog_that_goes_away_is_not_called_atomic(engine: SqliteEngine) -> None:
    with pytest.raises(CatalogUnavailable):
        try_atomicity(Dropping(engine))
    assert engine.scan(COUNTERS) == []
