"""Every engine, behind the same fixture."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import mongomock
import mongomock.collection
import pytest

from kumofs.catalog.mongo import MongoEngine
from kumofs.catalog.port import Engine
from kumofs.catalog.sqlite import SqliteEngine


def sqlite_engine(tmp_path: Path) -> Engine:
    return SqliteEngine(tmp_path / "catalog.db")


def accept_sort() -> None:
    """mongomock 4.3 does not know the `sort` argument that pymongo >= 4.11 hands to a bulk update (always None here)."""
    builder = mongomock.collection.BulkOperationBuilder
    if "sort" not in inspect.signature(builder.add_update).parameters:
        original = builder.add_update
        builder.add_update = lambda *args, sort=None, **kwargs: original(*args, **kwargs)


accept_sort()


def mongomock_engine(tmp_path: Path) -> Engine:
    return MongoEngine(mongomock.MongoClient()["kumofs"])


@pytest.fixture(params=[sqlite_engine, mongomock_engine], ids=["sqlite", "mongomock"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    opened: Engine = request.param(tmp_path)
    yield opened
    opened.close()
