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
from kumofs.catalog.inodes import lookup
from kumofs.catalog.numbers import Numbers
from kumofs.catalog.port import Engine
from kumofs.catalog.rename import rename
from kumofs.catalog.unlink import unlink
from kumofs.model import Inode, Kind, entry_id
from kumofs.staging import keys, part_plan, stream, streaming
from kumofs.staging.area import StagingArea
from kumofs.staging.begun import BegunUploads
from kumofs.staging.collect import collect
from kumofs.staging.commit import Outcome, commit, roll_forward
from kumofs.staging.conflict import keep_both
from kumofs.staging.journal import read_record
from kumofs.staging.reclaim import reclaim, reclaim_many, strip_many
from kumofs.staging.settle import settle
from kumofs.staging.staged import StagedFile
from kumofs.store.protocol import Store
from tests.crash.as_many import commit_as_many, settle_as_many
from tests.crash.in_parts import InParts


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


def test_first_commits_of_many_stopped_anywhere_are_done_again_from_the_staged_bytes(machines) -> None:
    def prepare(machine: Machine) -> list[StagedFile]:
        others = [create(machine.engine, Numbers(machine.engine), machine.root, name, machine.file).ino for name in "gh"]
        files = [StagedFile(machine.area, ino, None) for ino in (machine.file.ino, *others)]
        for staged in files:
            staged.write(0, f"{staged.ino}".encode())
        return files

    stops = 0
    for machine in stop_everywhere(machines, prepare, commit_as_many):
        stops += 1
        for left in LAST[-3:]:
            again = StagedFile.restore(machine.area, left.record())
            assert commit(machine.engine, machine.store, again).outcome is Outcome.COMMITTED
        assert not collect(machine.engine, machine.store, "h", young_s=0).damaged
        stored = {info.key: machine.store.get(info.key).decode() for info in machine.store.list()}
        assert stored == {f"h/{name}": str(lookup(machine.engine, machine.root, name).ino) for name in "fgh"}
    assert stops > 12


def test_moves_of_many_stopped_anywhere_lose_nothing_and_are_ended_by_settling(machines, monkeypatch) -> None:
    monkeypatch.setattr(keys, "FREE_BOUND_S", -1.0)
    inos: list[int] = []

    def prepare(machine: Machine) -> list[int]:
        inos.clear()
        for name in "xyz":
            machine.file = create(machine.engine, Numbers(machine.engine), machine.root, name, machine.file)
            machine.write(name.encode())
            rename(machine.engine, entry_id(machine.root, name), entry_id(machine.root, f"{name}2"), 2)
            inos.append(machine.file.ino)
        return inos

    stops = 0
    for machine in stop_everywhere(machines, prepare, settle_as_many):
        stops += 1
        for _ in range(2):
            for ino in inos:
                settle(machine.engine, machine.store, ino)
        assert not collect(machine.engine, machine.store, "h", young_s=0).damaged
        stored = {info.key: machine.store.get(info.key) for info in machine.store.list()}
        assert stored == {f"h/{name}2": name.encode() for name in "xyz"}
        assert [doc["_id"] for doc in machine.engine.scan("objects")] == sorted(stored)
    assert stops > 15


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


LARGE = b"0123456789abcdefghijklmnopqrstuvwxyz"
CHANGES: dict[str, tuple[Callable[[StagedFile], object], bytes]] = {
    "in the middle": (lambda staged: staged.write(15, b"XY"), LARGE[:15] + b"XY" + LARGE[17:]),
    "at the end": (lambda staged: staged.write(36, b"XY"), LARGE + b"XY"),
    "cut": (lambda staged: staged.truncate(18), LARGE[:18]),
    "cut and written on": (lambda staged: (staged.truncate(18), staged.write(20, b"X")), LARGE[:18] + b"\0\0X"),
}


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a few bytes are changed as large ones are."""
    monkeypatch.setattr(part_plan, "COPIED_MIN_BYTES", 1)


@pytest.mark.directory_store
@pytest.mark.parametrize("then", ["at once", "once it was read", "once it was written on"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_in_parts_stopped_anywhere_can_be_done_again(machines, in_parts, change, then) -> None:
    act, changed = CHANGES[change]
    journal = []

    def prepare(machine: Machine) -> StagedFile:
        machine.write(LARGE)
        staged = StagedFile(machine.area, machine.file.ino, machine.inode().content)
        act(staged)
        journal.append(staged.record())
        return staged

    stops = 0
    for machine in stop_everywhere(machines, prepare, lambda engine, store, staged: commit(engine, InParts(store), staged)):
        stops += 1
        again, expected = StagedFile.restore(machine.area, journal[-1]), changed
        if then == "once it was read":
            assert machine.read() in (LARGE, changed)
        if then == "once it was written on":
            again.write(5, b"Z")
            again, expected = StagedFile.restore(machine.area, again.record()), changed[:5] + b"Z" + changed[6:]
        assert commit(machine.engine, InParts(machine.store), again).outcome is Outcome.COMMITTED
        assert machine.read() == expected
        machine.area.begun.abort_left(machine.store)
        assert list(machine.store.list_uploads()) == []
        assert [info.key for info in machine.store.list()] == [machine.inode().content.key]
    assert stops >= 5


@pytest.mark.directory_store
def test_a_change_in_parts_sends_what_changed(machines, in_parts) -> None:
    machine = machines()
    machine.write(LARGE)
    staged = StagedFile(machine.area, machine.file.ino, machine.inode().content)
    staged.write(15, b"XY")
    commit(machine.engine, InParts(machine.store), staged)
    assert machine.read() == LARGE[:15] + b"XY" + LARGE[17:]
    assert staged.present.as_list() == [(13, 17)], "a part of the least length around it, and no more, was brought in"


@pytest.mark.directory_store
def test_a_change_in_parts_that_lost_is_kept_beside(machines, in_parts) -> None:
    machine = machines()
    machine.write(LARGE)
    mine = StagedFile(machine.area, machine.file.ino, machine.inode().content)
    mine.write(15, b"XY")
    theirs = StagedFile(StagingArea.open(machine.area.directory.parents[2], "h"), machine.file.ino, machine.inode().content)
    theirs.write(0, b"THEIRS")
    store = InParts(machine.store)
    assert commit(machine.engine, store, theirs).outcome is Outcome.COMMITTED
    lost = commit(machine.engine, store, mine)
    assert lost.outcome is Outcome.CONFLICT
    beside = keep_both(machine.engine, store, Numbers(machine.engine), mine, lost.inode, "host")
    done = commit(machine.engine, store, mine)
    assert machine.read() == b"THEIRS" + LARGE[6:]
    assert (done.outcome, done.inode.ino) == (Outcome.COMMITTED, beside.ino)
    # what it began from is gone: what was not written is as the other one left it
    assert machine.store.get(done.inode.content.key) == b"THEIRS" + LARGE[6:15] + b"XY" + LARGE[17:]


@pytest.mark.directory_store
@pytest.mark.parametrize("then", ["at once", "once it was written on"])
def test_a_stream_stopped_anywhere_leaves_a_file_that_can_be_sent(machines, monkeypatch, then) -> None:
    for module in (stream, streaming):
        monkeypatch.setattr(module, "PART_BYTES", 8)
    body = LARGE[:5] + b"Z" + LARGE[6:]

    def act(engine: Engine, store: Store, staged: StagedFile) -> None:
        far = InParts(store)
        under_way = streaming.begin(engine, far, staged)
        staged.begin_stream(under_way)
        while streaming.send_next(far, staged, under_way):
            pass
        staged.write(5, b"Z")
        staged.journal(durable=False)
        commit(engine, far, staged)

    def prepare(machine: Machine) -> StagedFile:
        staged = StagedFile(machine.area, machine.file.ino, None)
        staged.write(0, LARGE)
        staged.journal(durable=False)
        return staged

    stops = 0
    for machine in stop_everywhere(machines, prepare, act):
        stops += 1
        record = read_record(machine.area.journal_path(machine.file.ino))
        again, expected = StagedFile.restore(machine.area, record), body if LAST[-1].read(5, 1) == b"Z" else LARGE
        if then == "once it was written on":
            again.write(0, b"Y")
            again, expected = StagedFile.restore(machine.area, again.record()), b"Y" + expected[1:]
        assert commit(machine.engine, InParts(machine.store), again).outcome is Outcome.COMMITTED
        assert machine.read() == expected
        BegunUploads(machine.area.directory).abort_left(machine.store)
        assert list(machine.store.list_uploads()) == []
        assert not collect(machine.engine, machine.store, "h", young_s=0).damaged
        assert [info.key for info in machine.store.list()] == [machine.inode().content.key]
    assert stops > 12


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


def test_the_removal_of_many_stopped_anywhere_is_ended_by_a_collection(machines, monkeypatch) -> None:
    monkeypatch.setattr(keys, "FREE_BOUND_S", -1.0)
    inos: list[int] = []

    def prepare(machine: Machine) -> None:
        inos.clear()
        for number in range(3):
            machine.file = create(machine.engine, Numbers(machine.engine), machine.root, f"{number}", machine.file)
            machine.write(b"bytes")
            unlink(machine.engine, machine.root, f"{number}", 2)
            inos.append(machine.file.ino)

    def act(engine: Engine, store: Store, _: None) -> None:
        strip_many(engine, store, inos)
        reclaim_many(engine, store, inos)

    stops = 0
    for machine in stop_everywhere(machines, prepare, act):
        stops += 1
        collect(machine.engine, machine.store, "h", young_s=0)
        assert list(machine.store.list()) == []
        assert machine.engine.scan("objects") == []
        assert all(read_inode(machine.engine, ino) is None for ino in inos)
    assert stops > 8


def test_of_many_those_that_are_in_use_again_or_have_other_bytes_stay(machines) -> None:
    machine = machines()
    machine.write(b"kept")
    create(machine.engine, Numbers(machine.engine), machine.root, "other", machine.file)
    other = lookup(machine.engine, machine.root, "other")
    machine.file, kept = other, machine.file
    machine.write(b"gone")
    unlink(machine.engine, machine.root, "other", 2)
    machine.store.put("h/other", b"somebody else's")
    strip_many(machine.engine, machine.store, [kept.ino, other.ino, 4711])
    assert {info.key: machine.store.get(info.key) for info in machine.store.list()} == {
        "h/f": b"kept",
        "h/other": b"somebody else's",
    }
    reclaim_many(machine.engine, machine.store, [kept.ino, other.ino, 4711])
    assert read_inode(machine.engine, kept.ino).names
    assert read_inode(machine.engine, other.ino) is None


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
