"""Operations taken step by step: every call of the engine is one step, every batch as many as it has."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import greenlet
import pytest

from kumofs.catalog.claims import read_inode, resolve
from kumofs.catalog.clean_names import Taken, clean_names
from kumofs.catalog.create import create, make_root
from kumofs.catalog.inodes import lookup
from kumofs.catalog.link import link
from kumofs.catalog.numbers import Numbers
from kumofs.catalog.port import Delete, Engine, Insert, Step, Update
from kumofs.catalog.rename import rename
from kumofs.catalog.rmdir import rmdir
from kumofs.catalog.unlink import take_name, unlink
from kumofs.errors import Exists, FileError
from kumofs.model import ROOT_NAME, Inode, Kind, entry_id, parent_of

WRITES = ("get", "get_many", "find", "scan", "insert", "update", "delete")


class Stepping:
    """An engine that lets somebody else go first before each step."""

    quick = True

    def __init__(self, engine: Engine, pause: Callable[[], None]) -> None:
        self._engine = engine
        self._pause = pause

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._engine, name)
        if name not in WRITES:
            return call

        def stepped(*args: Any, **kwargs: Any) -> Any:
            self._pause()
            return call(*args, **kwargs)

        return stepped

    def batch(self, steps: Sequence[Step]) -> int:
        matched = 0
        for step in steps:
            match step:
                case Insert():
                    self.insert(step.collection, step.doc, step.stamp)
                case Update():
                    change = (step.where, step.set, step.unset, step.inc, step.stamp)
                    matched += self.update(step.collection, step.id, *change) is not None
                case Delete():
                    matched += self.delete(step.collection, step.id, step.where) is not None
        return matched


@dataclass
class Home:
    """A small tree: d/f, e/ (empty), a, b. `names` tells what each inode was called at the beginning."""

    engine: Engine
    root: int = 0
    names: dict[int, str] = field(default_factory=dict)
    ino: dict[str, int] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)

    def build(self) -> None:
        for collection in ("inodes", "entries", "leases"):
            for doc in self.engine.scan(collection):
                self.engine.delete(collection, doc["_id"])
        self.root = make_root(self.engine, "h", "o", 0, 0)
        self.ino.clear()
        self.names.clear()
        for path, kind in (("d", Kind.DIR), ("d/f", Kind.FILE), ("e", Kind.DIR), ("a", Kind.FILE), ("b", Kind.FILE)):
            above, _, name = path.rpartition("/")
            made = create(self.engine, Numbers(self.engine), self.ino.get(above, self.root), name, draft(kind))
            self.ino[path] = made.ino
            self.names[made.ino] = path

    def at(self, path: str) -> str:
        """The entry id of a path in the tree as it was at the beginning."""
        above, _, name = path.rpartition("/")
        return entry_id(self.ino.get(above, self.root), name)


def draft(kind: Kind) -> Inode:
    return Inode(0, "h", kind, (), 0o755, 0, 0, 1, 1, 1, 1, "o")


@dataclass(frozen=True)
class Verb:
    """One operation on a home, and which of the first inodes may lose its last name by it."""

    title: str
    run: Callable[[Home, Engine], object]
    loses: frozenset[str] = frozenset()
    moves: tuple[str, str] | None = None


def make(path: str, kind: Kind = Kind.FILE) -> Verb:
    def run(home: Home, engine: Engine) -> object:
        name_id = home.at(path)
        return create(engine, Numbers(engine), parent_of(name_id), name_id.split("/", 1)[1], draft(kind))

    return Verb(f"create {path}", run)


def remove(path: str) -> Verb:
    def run(home: Home, engine: Engine) -> object:
        name_id = home.at(path)
        return unlink(engine, parent_of(name_id), name_id.split("/", 1)[1], 2)

    return Verb(f"unlink {path}", run, frozenset({path}))


def remove_known(engine: Engine, ino: int, name_id: str) -> object:
    """What a mount does that has the tree in memory."""
    inode = read_inode(engine, ino)
    done = take_name(engine, inode, name_id, 2) if inode is not None else None
    if done is None:
        return unlink(engine, parent_of(name_id), name_id.split("/", 1)[1], 2)
    return clean_names(engine, [Taken(name_id, done.ino, 2)])


def remove_among_many(path: str) -> Verb:
    def run(home: Home, engine: Engine) -> object:
        return remove_known(engine, home.ino[path], home.at(path))

    return Verb(f"unlink {path} among many", run, frozenset({path}))


def tie_and_remove(old: str, new: str) -> Verb:
    def run(home: Home, engine: Engine) -> object:
        name_id = home.at(new)
        with suppress(Exists):  # where it is done again
            link(engine, home.ino[old], parent_of(name_id), name_id.split("/", 1)[1], 2)
        return remove_known(engine, home.ino[old], name_id)

    return Verb(f"link {old} {new} and unlink it among many", run, frozenset({new}))


def remove_dir(path: str) -> Verb:
    def run(home: Home, engine: Engine) -> object:
        name_id = home.at(path)
        return rmdir(engine, parent_of(name_id), name_id.split("/", 1)[1], 2)

    return Verb(f"rmdir {path}", run, frozenset({path}))


def move(old: str, new: str, replace: bool = True) -> Verb:
    def run(home: Home, engine: Engine) -> object:
        return rename(engine, home.at(old), home.at(new), 2, replace)

    return Verb(f"rename {old} {new}{'' if replace else ' noreplace'}", run, frozenset({new} if replace else ()), (old, new))


def tie(old: str, new: str) -> Verb:
    def run(home: Home, engine: Engine) -> object:
        name_id = home.at(new)
        return link(engine, home.ino[old], parent_of(name_id), name_id.split("/", 1)[1], 2)

    return Verb(f"link {old} {new}", run)


VERBS = [
    make("x"),
    make("e/n"),
    remove("a"),
    remove("d/f"),
    remove_among_many("a"),
    remove_among_many("d/f"),
    tie_and_remove("a", "x"),
    remove_dir("e"),
    tie("a", "x"),
    tie("b", "e/n"),
    move("a", "b"),
    move("b", "x"),
    move("a", "e/n"),
    move("d", "e"),
    move("e", "d/e"),
    move("d", "e/n"),
    move("d/f", "a"),
    move("a", "x", replace=False),
]


@dataclass
class Running:
    """A verb that stops before each of its steps."""

    verb: Verb
    home: Home
    error: FileError | None = None

    def __post_init__(self) -> None:
        self.thread = greenlet.greenlet(self._work)

    def _work(self) -> None:
        stepping = Stepping(self.home.engine, lambda: self.thread.parent.switch())
        try:
            self.verb.run(self.home, stepping)  # type: ignore[arg-type]
        except FileError as problem:
            self.error = problem

    @property
    def done(self) -> bool:
        return self.thread.dead

    def step(self, count: int = 1) -> int:
        """Take steps; how many of them were left to take."""
        for taken in range(count):
            if self.done:
                return count - taken
            self.thread.parent = greenlet.getcurrent()
            self.thread.switch()
        return 0

    def finish(self) -> None:
        self.step(10_000)
        assert self.done, f"{self.verb.title} does not end"


def check(home: Home, *running: Running) -> None:
    """The invariants, after everything half done was met by a reader."""
    engine = home.engine
    for doc in engine.scan("entries"):
        resolve(engine, doc["_id"])
    inodes = {doc["_id"]: read_inode(engine, doc["_id"]) for doc in engine.scan("inodes")}
    for inode in inodes.values():
        for name in inode.names if inode is not None else ():
            if name == ROOT_NAME:
                continue
            assert resolve(engine, name).inode is not None, f"{name} is dangling"
            assert resolve(engine, name).inode.ino == inode.ino, f"{name} stands for another inode"
            assert reaches_root(home, inodes, parent_of(name)), f"{name} lies in no tree"
    may_lose = {path for one in running if one.error is None for path in one.verb.loses}
    # what another verb has moved under a name that is taken away goes with it
    moves = [one.verb.moves for one in running if one.verb.moves is not None]
    may_lose |= {old for old, new in moves for one in running if one.verb.moves != (old, new) and new in one.verb.loses}
    lost = {path for ino, path in home.names.items() if inodes.get(ino) is None or not inodes[ino].names}
    assert lost <= may_lose, f"lost: {lost - may_lose}"
    for doc in engine.scan("entries"):
        assert resolve(engine, doc["_id"]).inode is not None, f"entry {doc['_id']} stands for nothing"


def reaches_root(home: Home, inodes: dict[Any, Inode | None], ino: int) -> bool:
    for _ in range(50):
        if ino == home.root:
            return True
        inode = inodes.get(ino)
        if inode is None or not inode.names:
            return False
        ino = parent_of(inode.names[0])
    return False


@pytest.fixture(scope="session")
def one_engine(open_empty_engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = Path("/dev/shm") if Path("/dev/shm").is_dir() else tmp_path_factory.getbasetemp()
    file = path / f"kumofs-crash-{os.getpid()}.db"
    with open_empty_engine(file) as engine:
        yield engine
    for left in path.glob(file.name + "*"):
        left.unlink()


@pytest.fixture
def home(one_engine: Engine) -> Home:
    made = Home(one_engine)
    made.build()
    return made


@pytest.fixture
def crash() -> Any:
    """The pieces above, for tests (which do not import one another)."""
    import types

    return types.SimpleNamespace(VERBS=VERBS, Running=Running, check=check, lookup=lookup)


PAIRS_STEP = int(os.environ.get("KUMOFS_TEST_PAIRS_STEP") or (11 if os.environ.get("KUMOFS_TEST_MONGODB") else 1))
"""Over a server a step takes a hundred times as long as over SQLite: there every 11th pair of verbs is tried, which keeps the
crash tests under three minutes. 11 and the number of verbs have no common divisor, so each verb comes first and second."""


def pytest_report_header() -> list[str]:
    return [f"kumofs: crash tests: every pair of verbs whose number divides by {PAIRS_STEP} is tried"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "other" in metafunc.fixturenames:
        pairs = list(product(VERBS, VERBS))[::PAIRS_STEP]
        metafunc.parametrize(("verb", "other"), pairs, ids=[f"{verb.title}-{other.title}" for verb, other in pairs])
    elif "verb" in metafunc.fixturenames:
        metafunc.parametrize("verb", VERBS, ids=lambda verb: verb.title)
