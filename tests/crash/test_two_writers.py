"""Two mounts at one file: every way in which two of commit, reclaim and gc can cross, on the real code.

Each call of the catalog or the store is one step. One of the two is stopped before each of its steps, the other runs to
its end, and the first goes on; both are stopped; then they take turns of one, two and three steps. On servers, where a step
takes a hundred times as long, every `SCHEDULES_STEP`th of these ways is taken, from another one on in each test.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import greenlet
import pytest

from kumofs.catalog.claims import read_inode
from kumofs.catalog.create import create, make_root
from kumofs.catalog.numbers import Numbers
from kumofs.catalog.rename import rename
from kumofs.catalog.unlink import unlink
from kumofs.model import Inode, Kind, ObjectRecord, entry_id
from kumofs.staging import keys, part_plan, stream, streaming
from kumofs.staging.area import StagingArea
from kumofs.staging.collect import collect
from kumofs.staging.commit import Outcome, commit, roll_forward
from kumofs.staging.free_many import free_keys
from kumofs.staging.reclaim import reclaim, reclaim_many, strip_many
from kumofs.staging.settle import Settled, settle
from kumofs.staging.staged import StagedFile
from tests.crash.as_many import commit_as_many, settle_as_many
from tests.crash.in_parts import InParts

WRITERS = ("write", "write of many", "edit", "stream")
UNLINKS = ("unlink", "unlink of many")
LARGE = b"0123456789abcdefghijklmnopqrstuvwxyz"
EDIT_AT = 15
QUIET = ("now_us", "capabilities", "quick")
SERVERS = [name for name in ("KUMOFS_TEST_MONGODB", "KUMOFS_TEST_S3") if os.environ.get(name)]
SCHEDULES_STEP = int(os.environ.get("KUMOFS_TEST_SCHEDULES_STEP") or (5 if SERVERS else 1))
TWICE_STEP = int(os.environ.get("KUMOFS_TEST_TWICE_STEP") or (7 if SCHEDULES_STEP == 1 else 23))
"""Of the ways that stop both, one in so many."""
LATE_STEP = 17 if SCHEDULES_STEP > 1 else 1


class Stepping:
    """Passes calls on, after letting somebody else go first."""

    def __init__(self, inner: Any, pause: Callable[[], object]) -> None:
        self._inner = inner
        self._pause = pause

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name in QUIET or not callable(found):
            return found

        def stepped(*args: Any, **kwargs: Any) -> Any:
            self._pause()
            return found(*args, **kwargs)

        return stepped


class Mount:
    """One mount's part in it: its staged bytes, and what it is doing."""

    def __init__(self, bench: Bench, verb: str, body: bytes) -> None:
        self.bench, self.verb, self.body = bench, verb, body
        self.staged: StagedFile | None = None
        if verb in ("write", "write of many"):
            self.staged = bench.stage(body)
        if verb == "stream":
            self.staged = bench.stage_stream(body)
        if verb == "edit":
            self.staged, self.body = bench.stage_edit(body[-2:])
        self.result: Any = None
        self.thread = greenlet.greenlet(self._work)

    def _work(self) -> None:
        engine, store = (Stepping(part, lambda: self.thread.parent.switch()) for part in (self.bench.engine, self.bench.store))
        if self.verb == "write":
            self.result = commit(engine, store, self.staged).outcome
        elif self.verb == "write of many":
            (self.result,) = commit_as_many(engine, store, [self.staged])
        elif self.verb in ("edit", "stream"):
            self.result = commit(engine, InParts(store), self.staged).outcome
        elif self.verb == "settle":
            self.result = settle(engine, store, self.bench.ino)
        elif self.verb == "settle of many":
            left: dict[ObjectRecord, str] = {}
            self.result = settle(engine, store, self.bench.ino, left=left)
            free_keys(engine, store, left)
        elif self.verb == "settle among many":
            self.result = settle_as_many(engine, store, [self.bench.ino])
        elif self.verb == "unlink":
            unlink(engine, self.bench.root, self.bench.name, 2)
            reclaim(engine, store, self.bench.ino)
        elif self.verb == "unlink of many":
            unlink(engine, self.bench.root, self.bench.name, 2)
            strip_many(engine, store, [self.bench.ino])
            reclaim_many(engine, store, [self.bench.ino])
        else:
            collect(engine, store, "h", young_s=0)

    def step(self, count: int = 1) -> bool:
        """Take steps; whether there are any left."""
        for _ in range(count):
            if self.thread.dead:
                return False
            self.thread.parent = greenlet.getcurrent()
            self.thread.switch()
        return not self.thread.dead

    def finish(self) -> None:
        self.step(3000)
        assert self.thread.dead, f"{self.verb} does not end"


class Bench:
    """A catalog and a store with one file `f`, new or with bytes; a folder of staging slots."""

    def __init__(self, engine: Any, store: Any, base: Path, begun: bytes | None, moved: bool = False) -> None:
        self.engine, self.store, self.base = engine, store, base
        self.areas: list[StagingArea] = []
        self.staged: list[StagedFile] = []
        for collection in ("inodes", "entries", "objects", "leases"):
            for doc in engine.scan(collection):
                engine.delete(collection, doc["_id"])
        for info in list(store.list("h/")):
            store.delete(info.key)
        self.root = make_root(engine, "h", "o", 0, 0)
        draft = Inode(0, "h", Kind.FILE, (), 0o644, 0, 0, 1, 1, 1, 1, "o")
        self.ino = create(engine, Numbers(engine), self.root, "f", draft).ino
        self.begun = begun
        if begun is not None:
            assert commit(engine, store, self.stage(begun)).outcome is Outcome.COMMITTED
        self.name = "g" if moved else "f"
        if moved:
            rename(engine, entry_id(self.root, "f"), entry_id(self.root, "g"), 2)

    def stage(self, body: bytes) -> StagedFile:
        staged = self.begin()
        staged.truncate(0)
        staged.write(0, body)
        return staged

    def stage_edit(self, body: bytes) -> tuple[StagedFile, bytes]:
        """Some bytes in the middle of what is there, and what the file then is."""
        staged = self.begin()
        staged.write(EDIT_AT, body)
        return staged, self.begun[:EDIT_AT] + body + self.begun[EDIT_AT + len(body) :]

    def stage_stream(self, body: bytes) -> StagedFile:
        """A new file all of whose parts have gone out while it was written."""
        staged, far = self.begin(), InParts(self.store)
        staged.write(0, body)
        under_way = streaming.begin(self.engine, far, staged)
        assert under_way is not None
        staged.begin_stream(under_way)
        while streaming.send_next(far, staged, under_way):
            pass
        return staged

    def begin(self) -> StagedFile:
        inode = read_inode(self.engine, self.ino)
        self.areas.append(StagingArea.open(self.base, "h"))
        self.staged.append(StagedFile(self.areas[-1], self.ino, inode.content))
        return self.staged[-1]

    def close(self) -> None:
        """There are thousands of them in a test."""
        for staged in self.staged:
            staged.close()
        for area in self.areas:
            area.close()

    def check(self, *mounts: Mount) -> None:
        """What was acknowledged can be read; after a collection nothing is over."""
        for mount in mounts:
            if mount.verb in WRITERS:
                assert mount.result in (Outcome.COMMITTED, Outcome.CONFLICT, Outcome.UNLINKED)
        for _ in range(3):
            found = collect(self.engine, self.store, "h", young_s=0)
            assert not found.damaged and not found.foreign
        inode = read_inode(self.engine, self.ino)
        stored = {info.key: self.store.get(info.key) for info in self.store.list("h/")}
        if inode is None or not inode.names:
            assert any(mount.verb in UNLINKS for mount in mounts)
            assert not stored and not self.engine.scan("objects")
            return
        for _ in range(3):
            settled = settle(self.engine, self.store, self.ino)
        assert settled is Settled.IN_PLACE
        inode = read_inode(self.engine, self.ino)
        stored = {info.key: self.store.get(info.key) for info in self.store.list("h/")}
        assert inode.content is None or inode.content.key == f"h/{self.name}"
        acknowledged = [mount.body for mount in mounts if mount.result is Outcome.COMMITTED]
        roll_forward(self.engine, self.store, self.ino)
        expected = acknowledged or ([self.begun] if self.begun is not None else [])
        assert (inode.content is not None) == bool(expected)
        if inode.content is not None:
            assert list(stored) == [inode.content.key]
            assert stored[inode.content.key] in expected
            assert [doc["_id"] for doc in self.engine.scan("objects")] == [inode.content.key]
        writers = [mount for mount in mounts if mount.verb in WRITERS]
        if len(writers) == 2 and self.begun is not None:
            assert len(acknowledged) == 1, "one of two writers from the same bytes keeps the name, the other a copy"


Schedule = Callable[[Mount, Mount], object]


def schedules(limit: int, title: object) -> Iterator[tuple[int, Schedule]]:
    """Ways to let two mounts cross, numbered; which of them are taken on servers depends on the test's title."""
    first = sum(repr(title).encode()) % SCHEDULES_STEP
    yield from itertools.islice(enumerate(all_schedules(limit)), first, None, SCHEDULES_STEP)


def all_schedules(limit: int) -> Iterator[Schedule]:
    """Every way."""

    def interrupted(first: Mount, second: Mount, at: int) -> None:
        first.step(at)
        second.finish()
        first.finish()

    def both_interrupted(first: Mount, second: Mount, at: int, between: int) -> None:
        first.step(at)
        second.step(between)
        first.finish()
        second.finish()

    def turns(first: Mount, second: Mount, size: int) -> None:
        while first.step(size) | second.step(size):
            pass

    for at in range(limit):
        yield lambda first, second, at=at: interrupted(first, second, at)
        yield lambda first, second, at=at: interrupted(second, first, at)
    for at, between in itertools.product(range(1, limit), range(1, limit)):
        if (at + between) % TWICE_STEP == 0:
            yield lambda first, second, at=at, between=between: both_interrupted(first, second, at, between)
            yield lambda first, second, at=at, between=between: both_interrupted(second, first, at, between)
    for size in (1, 2, 3, 5):
        yield lambda first, second, size=size: turns(first, second, size)
        yield lambda first, second, size=size: turns(second, first, size)


PAIRS = [pair for pair in itertools.combinations_with_replacement(("write", *UNLINKS, "gc"), 2) if not {*pair} <= {*UNLINKS}]


@pytest.fixture
def parts(tmp_path: Path, open_empty_engine, open_empty_store) -> Iterator[tuple[Any, Any]]:
    with open_empty_engine(tmp_path / "c.db") as engine, open_empty_store(tmp_path / "store") as store:
        yield engine, store


class WithoutConditionalDelete:
    """A store that forgets the condition of a DELETE, as some servers do."""

    def __init__(self, inner: Any) -> None:
        from dataclasses import replace

        self._inner = inner
        self.capabilities = replace(inner.capabilities, conditional_delete=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def delete(self, key: str, *, if_match: str | None = None) -> None:
        self._inner.delete(key)


def cross(bench: Bench, pair: tuple[str, str], run: Callable[[Mount, Mount], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two mounts cross, and check once so long a time has passed that nothing is on its way any more."""
    mounts = [Mount(bench, verb, f"bytes {place}".encode()) for place, verb in enumerate(pair)]
    run(*mounts)
    with monkeypatch.context() as later:
        later.setattr(keys, "FREE_BOUND_S", -1.0)
        bench.check(*mounts)
    bench.close()


@pytest.mark.parametrize("begun", [None, b"begun"], ids=["new", "rewrite"])
@pytest.mark.parametrize("pair", PAIRS, ids=" beside ".join)
@pytest.mark.parametrize("conditional", [True, False], ids=["conditional delete", "plain delete"])
def test_whatever_crosses_nothing_acknowledged_is_lost(parts, tmp_path, monkeypatch, begun, pair, conditional) -> None:
    engine, store = parts
    store = store if conditional else WithoutConditionalDelete(store)
    for number, run in schedules(30, (begun, pair, conditional)):
        cross(Bench(engine, store, tmp_path / str(number), begun), pair, run, monkeypatch)


@pytest.mark.parametrize("beside", ["write of many", "write", "unlink", "unlink of many", "gc"])
@pytest.mark.parametrize("conditional", [True, False], ids=["conditional delete", "plain delete"])
def test_a_first_commit_among_many_loses_nothing_whatever_crosses(parts, tmp_path, monkeypatch, beside, conditional) -> None:
    engine, store = parts
    store = store if conditional else WithoutConditionalDelete(store)
    for number, run in schedules(30, (beside, conditional)):
        cross(Bench(engine, store, tmp_path / str(number), None), ("write of many", beside), run, monkeypatch)


@pytest.mark.parametrize("beside", ["settle", "write", "unlink", "unlink of many", "gc"])
@pytest.mark.parametrize("settler", ["settle", "settle of many", "settle among many"])
def test_a_file_that_moved_is_settled_whatever_crosses(parts, tmp_path, monkeypatch, settler, beside) -> None:
    engine, store = parts
    for number, run in schedules(30, (settler, beside)):
        cross(Bench(engine, store, tmp_path / str(number), b"begun", moved=True), (settler, beside), run, monkeypatch)


@pytest.mark.directory_store
@pytest.mark.parametrize("beside", ["edit", "write", "unlink", "gc", "settle"])
def test_an_edit_in_parts_loses_nothing_whatever_crosses(parts, tmp_path, monkeypatch, beside) -> None:
    monkeypatch.setattr(part_plan, "COPIED_MIN_BYTES", 1)
    engine, store = parts
    for number, run in schedules(20, beside):
        bench = Bench(engine, store, tmp_path / str(number), LARGE, moved=beside == "settle")
        cross(bench, ("edit", beside), run, monkeypatch)
    assert list(store.list_uploads()) == []


@pytest.mark.directory_store
@pytest.mark.parametrize("beside", ["write", "unlink", "gc"])
def test_a_stream_loses_nothing_whatever_crosses(parts, tmp_path, monkeypatch, beside) -> None:
    for module in (stream, streaming):
        monkeypatch.setattr(module, "PART_BYTES", len(b"bytes 0"))
    engine, store = parts
    for number, run in schedules(20, beside):
        cross(Bench(engine, store, tmp_path / str(number), None), ("stream", beside), run, monkeypatch)
    assert list(store.list_uploads()) == []


@pytest.mark.parametrize("conditional", [True, False], ids=["conditional delete", "plain delete"])
@pytest.mark.parametrize("pair", [("write", "gc"), ("write", "unlink"), ("write", "write")], ids=" beside ".join)
def test_a_delete_that_comes_late_hits_nothing_new(parts, tmp_path, monkeypatch, pair, conditional) -> None:
    engine, store = parts
    store = store if conditional else WithoutConditionalDelete(store)

    def run(first: Mount, second: Mount) -> None:
        first.step(before)
        second.step(between)
        first.finish()
        second.finish()

    for before, between in itertools.islice(itertools.product(range(4, 16), range(1, 26)), len(pair[1]) % 5, None, LATE_STEP):
        place = tmp_path / f"{before}-{between}"
        cross(Bench(engine, store, place, None), pair, run, monkeypatch)
