"""A drive and its handlers without a kernel, so that whatever they stand on can be made to fail or to say nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kumofs.catalog import open_engine
from kumofs.catalog.claims import read_inode
from kumofs.catalog.create import make_root
from kumofs.catalog.numbers import Numbers
from kumofs.fs.drive import Drive
from kumofs.fs.operations import Operations
from kumofs.fs.orphans import Orphans
from kumofs.fs.outbox import Outbox
from kumofs.fs.tree import Tree
from kumofs.offload import Lane
from kumofs.sharing.access import Access
from kumofs.staging.area import StagingArea
from kumofs.store import open_store

CALLER = SimpleNamespace(uid=0, gid=0, pid=1, umask=0o022)
DEADLINE_S = 1.0


class Stalling:
    """Something remote: while `stalled` is set, calls wait until it is cleared, as of a server that says nothing."""

    quick = False

    def __init__(self, real: Any) -> None:
        self._real = real
        self._open = threading.Event()
        self._open.set()

    def stall(self) -> None:
        self._open.clear()

    def answer(self) -> None:
        self._open.set()

    @property
    def capabilities(self) -> Any:
        return replace(self._real.capabilities, local_files=False)

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._real, name)

        def wait(*args: Any, **kwargs: Any) -> Any:
            assert self._open.wait(120), "the test never let it answer"
            return call(*args, **kwargs)

        return wait


class Deaf:
    """A kernel that remembers nothing."""

    def forget_entry(self, parent: int, name: str) -> None: ...

    def forget_inode(self, ino: int, *, bytes_too: bool) -> None: ...

    async def forget_attributes(self, ino: int) -> None: ...


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Stalling]:
    real = open_engine(f"sqlite://{tmp_path}/catalog.db")
    made = Stalling(real)
    yield made
    made.answer()
    real.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Stalling]:
    real = open_store(f"file://{tmp_path}/store")
    made = Stalling(real)
    yield made
    made.answer()
    real.close()


@pytest.fixture
def drive(tmp_path: Path, engine: Stalling, store: Stalling) -> Drive:
    root = read_inode(engine, make_root(engine, "ada", "ada@example.org", 0, 0))
    assert root is not None
    catalog, uploads, area = Lane(4, engine.quick), Lane(4), StagingArea.open(tmp_path, "ada")
    return Drive(
        engine=engine, store=store, area=area, access=Access("ada"), email="ada@example.org",
        host="here", tree=Tree(engine, catalog, root), numbers=Numbers(engine), orphans=Orphans(engine, store, uploads),
        catalog=catalog, uploads=uploads, disk=Lane(4), deadline_s=DEADLINE_S, kernel=Deaf(), outbox=Outbox(area),
        write_through=True,
    )  # fmt: skip


@pytest.fixture
def operations(drive: Drive) -> Operations:
    return Operations(drive)


@pytest.fixture
def caller() -> SimpleNamespace:
    return CALLER
