"""Every engine, behind the same fixture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mongomock
import pytest

from kumofs.catalog.mongo import MongoEngine
from kumofs.catalog.port import Engine
from kumofs.catalog.sqlite import SqliteEngine


def sqlite_engine(tmp_path: Path) -> Engine:
    return SqliteEngine(tmp_path / "catalog.db")


def mongomock_engine(tmp_path: Path) -> Engine:
    return MongoEngine(mongomock.MongoClient()["kumofs"])


@pytest.fixture(params=[sqlite_engine, mongomock_engine], ids=["sqlite", "mongomock"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    opened: Engine = request.param(tmp_path)
    yield opened
    opened.close()
