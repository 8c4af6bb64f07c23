"""The content protocol: a commit stopped after each step of catalog and store leaves nothing that is not repaired."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from kumofs.cache.reader import Reader
from kumofs.catalog.claims import read_inode
from kumofs.catalog.create import create, make_root
from kumofs.catalog.numbers import Numbers
from kumofs.catalog.port import Engine
from kumofs.catalog.unlink import unlink
from kumofs.model import Inode, Kind
from kumofs.staging import keys
from kumofs.staging.area import StagingArea
from kumofs.staging.collect import collect
from kumofs.staging.commit import Outcome, commit, roll_forward
from kumofs.staging.reclaim import reclaim
from kumofs.staging.staged import StagedFile
from kumofs.store.protocol import Store


class Stopped(BaseException):
    """The process ends here."""


class StopsAfter:
    """Passes calls on, and ends the process before the call after the last one allowed."""

    def __init__(self, inner: Any, budget: list[int]) -> None:
        self._inner = inner
        self._budget = budget

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found) or name == "now_us":
            return found

        def counted(*args: Any, **kwargs: Any) -> Any:
            if self._budget[0] == 0:
                raise Stopped
            self._budget[0] -= 1
            return found(*args, **kwargs)

        return counted


class Machine:
    """A catalog, a store and a file in them."""

    def __init__(self, base: Path, engine: Engine, store: Store) -> None:
        self.engine = engine
        self.store = store
        self.area = StagingArea.open(base, "h")
        self.root = make_root(self.engine, "h", "o", 0, 0)
        draft = Inode(0, "h", Kind.FILE, (), 0o644, 0, 0, 1, 1, 1, 1, "o")
        self.file = create(self.engine, Numbers(self.engine), self.root, "f", draft)

    def inode(self) -> Inode:
        found = read_inode(self.engine, self.file.ino)
        assert found is not None
        return found

    def staged(self, body: bytes) -> StagedFile:
        made = StagedFile(self.area, self.file.ino, self.inode().content)
        made.truncate(0)
        made.write(0, body)
        return made

    def write(self, body: bytes) -> None:
        staged = self.staged(body)
        assert commit(self.engine, self.store, staged).outcome is Outcome.COMMITTED
        staged.forget()

    def read(self) -> bytes:
        roll_forward(self.engine, self.store, self.file.ino)
        content = self.inode().content
        assert content is not None
        reader = Reader(self.store, content)
        try:
            return reader.read(0, content.size)
        finally:
            reader.close()


@pytest.fixture
def machines(tmp_path: Path, open_empty_engine, open_empty_store) -> Iterator[Callable[[], Machine]]:
    count = iter(range(1000))
    with ExitStack() as opened:

        def make() -> Machine:
            opened.close()  # one machine at a time is enough
            base = tmp_path / str(next(count))
            base.mkdir()
            engine = opened.enter_context(open_empty_engine(base / "c.db"))
            return Machine(base, engine, opened.enter_context(open_empty_store(base / "store")))

        yield make


def stop_everywhere(machine: Callable[[], Machine], prepare: Callable[[Machine], Any], act: Callable[..., object]) -> Any:
    """Yields a machine for each step at which `act` can be stopped."""
    for budget in range(100):
        made = machine()
        prepared = prepare(made)
        steps = [budget]
        try:
            act(StopsAfter(made.engine, steps), StopsAfter(made.store, steps), prepared)
        except Stopped:
            yield made
        else:
            return
    raise AssertionError("more steps than are tried")


def test_a_first_commit_stopped_anywhere_is_done_again_from_the_staged_bytes(machines) -> None:
    stops = 0
    for machine in stop_everywhere(machines, lambda m: m.staged(b"new"), commit):
        stops += 1
        again = StagedFile.restore(machine.area, record_of(machine))
        assert commit(machine.engine, machine.store, again).outcome is Outcome.COMMITTED
        assert machine.read() == b"new"
        found = collect(machine.engine, machine.store, "h", young_s=0)
        assert not found.damaged
        assert [info.key for info in machine.store.list()] == [machine.inode().content.key]
    assert stops > 5


def test_a_rewrite_stopped_anywhere_leaves_the_old_or_the_new_bytes_and_can_be_done_again(machines) -> None:
    def prepare(machine: Machine) -> StagedFile:
        machine.write(b"old")
        return machine.staged(b"new")

    for machine in stop_everywhere(machines, prepare, commit):
        record = record_of(machine)
        assert machine.read() in (b"old", b"new")
        again = StagedFile.restore(machine.area, record)
        assert commit(machine.engine, machine.store, again).outcome is Outcome.COMMITTED
        assert machine.read() == b"new"


@pytest.mark.parametrize("goes_on", [False, True], ids=["as it was", "written on first"])
def test_an_append_stopped_anywhere_is_done_again_and_is_no_conflict_with_itself(machines, goes_on) -> None:
    journal = []

    def prepare(machine: Machine) -> StagedFile:
        machine.write(b"old ")
        staged = StagedFile(machine.area, machine.file.ino, machine.inode().content)
        staged.write(4, b"new")
        journal.append(staged.record())  # as at close: what was not written is not there yet
        return staged

    for machine in stop_everywhere(machines, prepare, commit):
        again = StagedFile.restore(machine.area, journal[-1])
        if goes_on:
            again.write(7, b" more")
            again = StagedFile.restore(machine.area, again.record())  # and killed once more
        assert commit(machine.engine, machine.store, again).outcome is Outcome.COMMITTED
        assert machine.read() == (b"old new more" if goes_on else b"old new")


def record_of(machine: Machine) -> Any:
    """What the journal of the stopped commit would hold."""
    return LAST[-1].record()


LAST: list[StagedFile] = []


@pytest.fixture(autouse=True)
def remember_staged(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = StagedFile.__init__

    def remembered(self: StagedFile, *args: Any) -> None:
        begin(self, *args)
        LAST.append(self)

    monkeypatch.setattr(StagedFile, "__init__", remembered)


def test_a_reclaim_stopped_anywhere_is_finished_by_the_next_pass(machines, monkeypatch) -> None:
    def prepare(machine: Machine) -> int:
        machine.write(b"bytes")
        unlink(machine.engine, machine.root, "f", 2)
        return machine.file.ino

    for machine in stop_everywhere(machines, prepare, reclaim):
        with monkeypatch.context() as later:
            later.setattr(keys, "FREE_BOUND_S", -1.0)  # where a DELETE of the dead could still be on its way
            collect(machine.engine, machine.store, "h", young_s=0)
            collect(machine.engine, machine.store, "h", young_s=0)
        assert list(machine.store.list()) == []
        assert machine.engine.scan("objects") == []
        assert read_inode(machine.engine, machine.file.ino) is None


def test_a_writer_that_lost_keeps_its_bytes(machines) -> None:
    machine = machines()
    machine.write(b"base")
    mine = machine.staged(b"mine")
    theirs = StagedFile(StagingArea.open(machine.area.directory.parents[2], "h"), machine.file.ino, machine.inode().content)
    theirs.truncate(0)
    theirs.write(0, b"theirs")
    commit(machine.engine, machine.store, theirs)
    assert commit(machine.engine, machine.store, mine).outcome is Outcome.CONFLICT
    assert machine.read() == b"theirs"
    assert mine.read(0, 10) == b"mine"


def test_others_objects_are_never_touched(machines) -> None:
    machine = machines()
    machine.store.put("h/f", b"not ours")
    machine.write(b"ours")
    assert machine.store.get("h/f") == b"not ours"
    assert machine.inode().content.key != "h/f"
    assert collect(machine.engine, machine.store, "h", young_s=0).foreign == ["h/f"]


def test_no_key_is_a_prefix_of_another(machines) -> None:
    machine = machines()
    machine.write(b"file")
    draft = Inode(0, "h", Kind.DIR, (), 0o755, 0, 0, 1, 1, 1, 1, "o")
    unlink(machine.engine, machine.root, "f", 2)  # the bytes stay under h/f for now
    folder = create(machine.engine, Numbers(machine.engine), machine.root, "f", draft)
    inner = create(machine.engine, Numbers(machine.engine), folder.ino, "g", machine.file)
    staged = StagedFile(machine.area, inner.ino, None)
    staged.write(0, b"inner")
    done = commit(machine.engine, machine.store, staged)
    assert done.inode.content.key.startswith("h/f~")


def test_a_late_put_of_the_dead_is_removed_and_told(machines) -> None:
    machine = machines()
    machine.write(b"ours")
    machine.store.put("h/late", b"late", metadata={"kumo-ino": "4711", "kumo-data": "x"})
    assert collect(machine.engine, machine.store, "h", young_s=0).late_puts == 1
    assert [info.key for info in machine.store.list()] == ["h/f"]


def test_what_ended_halfway_in_the_catalog_is_collected(machines) -> None:
    machine = machines()
    claim = {"_id": f"{machine.root}/ghost", "parent": machine.root, "inos": [99_999], "token": "t"}
    machine.engine.insert("entries", claim)
    machine.engine.insert("objects", {"_id": "h/doomed", "ino": 99_998, "state": "doomed", "token": "t", "since_us": 0})
    found = collect(machine.engine, machine.store, "h", young_s=0)
    assert (found.claims, found.keys) == (1, 1)
    second = collect(machine.engine, machine.store, "h", young_s=0)
    assert (second.claims, second.keys, second.tombstones) == (0, 0, 1), "the fence of the ghost goes a pass later"
    assert machine.engine.get("inodes", 99_999) is None


def test_what_is_young_is_left_to_its_owner(machines) -> None:
    machine = machines()
    machine.write(b"bytes")
    unlink(machine.engine, machine.root, "f", 2)
    assert collect(machine.engine, machine.store, "h").orphans == 0
    assert [info.key for info in machine.store.list()] == ["h/f"]


def test_missing_bytes_are_told(machines) -> None:
    machine = machines()
    machine.write(b"bytes")
    machine.store.delete("h/f")
    assert collect(machine.engine, machine.store, "h", young_s=0).damaged == ["h/f"]
