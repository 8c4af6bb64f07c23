"""Every engine, behind the same fixture."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from pathlib import Path

import mongomock
import mongomock.collection
import pytest
from pymongo import MongoClient

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


ENGINES = {"sqlite": sqlite_engine, "mongomock": mongomock_engine}


@pytest.fixture(params=[*ENGINES, "mongodb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, open_empty_engine) -> Iterator[Engine]:
    if request.param == "mongodb":
        if "KUMOFS_TEST_MONGODB" not in os.environ:
            pytest.skip("KUMOFS_TEST_MONGODB names no MongoDB server")
        with open_empty_engine(tmp_path) as opened:
            yield opened
        return
    opened = ENGINES[request.param](tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def orders_by_utf16(request: pytest.FixtureRequest) -> bool:
    """Whether the engine under test is mongo-java-server, which unlike any real one tells no git version."""
    if request.node.callspec.params["engine"] != "mongodb":
        return False
    with MongoClient[dict[str, object]](os.environ["KUMOFS_TEST_MONGODB"]) as client:
        return "gitVersion" not in client.admin.command("buildInfo")
