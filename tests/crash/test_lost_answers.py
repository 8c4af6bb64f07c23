"""The connection to MongoDB breaks after, or before, the server has done a request: each verb still does its work, once.

A TCP proxy between pymongo and the server lets the n-th request through, waits for the answer and then closes the connection
instead of passing it on (`after`), or closes it without the server having seen the request (`before`). n = 1, 2, ... until the
verb needs fewer requests.

Needs a server that tests may fill: KUMOFS_TEST_MONGODB=mongodb://127.0.0.1:PORT
"""

from __future__ import annotations

import os
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import urlsplit

import bson
import pymongo
import pymongo.common
import pytest

from kumofs.accounts.sessions import begin_session, change_password, check_session, end_all_sessions, end_session
from kumofs.accounts.sign_in import authenticate
from kumofs.accounts.users import sign_up
from kumofs.catalog.claims import read_inode
from kumofs.catalog.contents import commit_content, delete_inode, delete_object, insert_claim, mark_object, objects_of
from kumofs.catalog.inodes import change_attributes, list_page, set_tags, set_xattrs
from kumofs.catalog.mongo import open_mongo
from kumofs.catalog.numbers import BLOCK, take_block
from kumofs.catalog.port import Delete, Engine, Update
from kumofs.catalog.schema import COLLECTIONS
from kumofs.catalog.unlink import unlink
from kumofs.errors import CatalogUnavailable, FileError, SessionEnded
from kumofs.model import Content, Kind, ObjectState

SERVER = os.environ.get("KUMOFS_TEST_MONGODB", "")
REQUESTS_MAX = 60
PASSWORD = "four little green words"
OP_MSG = 2013
T = TypeVar("T")
NOT_COUNTED = {"hello", "isMaster", "ismaster", "endSessions", "ping", "saslStart", "saslContinue"}

pytestmark = pytest.mark.skipif(not SERVER, reason="NOT TESTED: lost answers need KUMOFS_TEST_MONGODB=mongodb://127.0.0.1:PORT")


def message(stream: socket.socket) -> bytes:
    """One message of MongoDB's protocol. ConnectionError at the end."""
    head = exactly(stream, 4)
    return head + exactly(stream, struct.unpack("<i", head)[0] - 4)


def exactly(stream: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = stream.recv(size - len(data))
        if not more:
            raise ConnectionError
        data += more
    return data


def command(request: bytes) -> str | None:
    """The name of the command that a request makes; None for what drivers say to each other."""
    if struct.unpack("<i", request[12:16])[0] != OP_MSG:
        return None
    size = struct.unpack("<i", request[21:25])[0]
    name = next(iter(bson.decode(request[21 : 21 + size])))
    return None if name in NOT_COUNTED else name


def nothing() -> None:
    """What others do as a rule."""


class LosingProxy:
    """Passes requests and answers on, but for the one that it is told to lose."""

    def __init__(self, server: str) -> None:
        parts = urlsplit(server)
        self._server = (parts.hostname, parts.port or 27017)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._left = -1
        self._applied = True
        self._meanwhile: Callable[[], object] = nothing
        self.hangs = threading.Event()
        self.lost: str | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self, number: int, *, applied: bool, meanwhile: Callable[[], object] = nothing) -> None:
        """Break the connection at the request of that number from now on: after or before the server has done it.

        `meanwhile` is what somebody else does before the client can ask again. With `hangs` set, nothing is passed on at all.
        """
        with self._lock:
            self._left, self._applied, self._meanwhile, self.lost = number, applied, meanwhile, None

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(self._server) as server:
            while True:
                request = message(client)
                losing = self._is_the_one(command(request))
                if losing and not self._applied:
                    return
                if self.hangs.is_set():
                    message(client)  # nothing comes until the client gives up
                server.sendall(request)
                answer = message(server)
                if losing:
                    self._meanwhile()
                    return
                client.sendall(answer)

    def _is_the_one(self, name: str | None) -> bool:
        if name is None:
            return False
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self.lost = name
            return self._left == 0


@pytest.fixture(scope="module")
def world() -> Iterator[SimpleNamespace]:
    """The same database twice: directly, and through the proxy."""
    name = f"lost_{secrets.token_hex(4)}"
    proxy = LosingProxy(SERVER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pymongo.common, "MIN_HEARTBEAT_INTERVAL", 0.02)  # how soon pymongo looks again for a server it lost
        direct = open_mongo(f"{SERVER.rstrip('/')}/{name}")
        through = open_mongo(f"mongodb://127.0.0.1:{proxy.port}/{name}?serverMonitoringMode=poll&directConnection=true")
        yield SimpleNamespace(direct=direct, through=through, proxy=proxy, name=name)
    through.close()
    direct.close()
    proxy.close()
    with pymongo.MongoClient(SERVER) as client:
        client.drop_database(name)


@pytest.fixture(scope="module")
def one_engine(world: SimpleNamespace) -> Engine:
    return world.direct


def wipe(engine: Engine) -> None:
    for collection in COLLECTIONS:
        while found := engine.scan(collection):
            for doc in found:
                engine.delete(collection, doc["_id"])


def each_loss(
    world: SimpleNamespace,
    applied: bool,
    prepare: Callable[[], Any],
    act: Callable[[Any], Any],
    meanwhile: Callable[[], object] = nothing,
) -> Iterator[tuple[Any, Any]]:
    """(what was prepared, what `act` made of it) for each request that can be lost, and once with none lost."""
    for number in range(1, REQUESTS_MAX):
        prepared = prepare()
        world.proxy.lose(number, applied=applied, meanwhile=meanwhile)
        done = act(prepared)
        lost = world.proxy.lost
        world.proxy.lose(-1, applied=applied)
        yield prepared, done
        if lost is None:
            return
    raise AssertionError("more requests than are tried")


@pytest.fixture(params=[True, False], ids=["after", "before"])
def applied(request: pytest.FixtureRequest) -> bool:
    return request.param


def tree(engine: Engine, ino: int, names: dict[int, str]) -> dict[str, Any]:
    """What a folder holds, each inode by what it was called at first."""
    found = {}
    for name, inode in list_page(engine, ino, "", 100).found:
        inside = tree(engine, inode.ino, names) if inode.kind is Kind.DIR else None
        found[name] = (names.get(inode.ino, "new"), len(inode.names), inode.removing, inside)
    return found


def test_a_name_changes_once(world, home, crash, verb, applied) -> None:
    home.build()
    verb.run(home, world.through)
    wanted = tree(world.direct, home.root, home.names)

    def act(_: object) -> Any:
        return verb.run(home, world.through)

    losses = 0
    for _ in each_loss(world, applied, home.build, act):
        assert tree(world.direct, home.root, home.names) == wanted
        assert not [doc for doc in world.direct.scan("entries") if len(doc["inos"]) != 1], "cleaned, too"
        assert not world.direct.scan("leases")
        crash.check(home, SimpleNamespace(verb=verb, error=None))
        losses += 1
    assert losses > 3


def test_who_cannot_know_says_so_and_can_do_it_again(world, home, crash, verb) -> None:
    """An answer is lost, and somebody else writes to every inode before the client can ask what became of it."""
    home.build()
    verb.run(home, world.direct)
    wanted = tree(world.direct, home.root, home.names)

    def others() -> None:
        world.direct.batch([Update("inodes", doc["_id"], set={"uid": 7}) for doc in world.direct.scan("inodes")])

    def act(_: object) -> None:
        try:
            verb.run(home, world.through)
        except CatalogUnavailable:
            with suppress(FileError):  # it was done already
                verb.run(home, world.direct)

    for _ in each_loss(world, True, home.build, act, others):
        assert tree(world.direct, home.root, home.names) == wanted
        crash.check(home, SimpleNamespace(verb=verb, error=None))


def test_an_update_that_nobody_can_tell_of_is_uncertain(world, home) -> None:
    ino = home.ino["a"]
    before = read_inode(world.direct, ino)
    assert before is not None
    world.proxy.lose(1, applied=True, meanwhile=lambda: change_attributes(world.direct, ino, {"uid": 7}))
    with pytest.raises(CatalogUnavailable, match="changed since"):
        commit_content(world.through, before, None)
    after = read_inode(world.direct, ino)
    assert after is not None
    assert after.rev == before.rev + 1


def test_a_black_hole_ends_and_is_recovered_from(world, home) -> None:
    """Requests get no answer at all: the call ends at its deadline, and the next one after it works again."""
    url = f"mongodb://127.0.0.1:{world.proxy.port}/{world.name}?directConnection=true"
    engine = again_and_again(lambda: open_mongo(url, deadline_s=3))
    calls: list[Callable[[], object]] = [
        lambda: engine.get("inodes", home.root),
        lambda: change_attributes(engine, home.root, {"mode": 0o700}),
        lambda: engine.insert("counters", {"_id": secrets.token_hex(4)}),
        lambda: engine.batch([Update("inodes", home.root, set={"mode": 0o700}), Delete("entries", "nothing")]),
    ]
    for call in calls:
        world.proxy.hangs.set()
        began = time.monotonic()
        try:
            with pytest.raises(CatalogUnavailable):
                call()
        finally:
            world.proxy.hangs.clear()
        assert time.monotonic() - began < 60
        again_and_again(call)
    engine.close()


def again_and_again(call: Callable[[], T]) -> T:
    """What it returns, once it does."""
    until = time.monotonic() + 60
    while True:
        try:
            return call()
        except CatalogUnavailable:
            assert time.monotonic() < until


def test_attributes_and_content_change_once(world, home, applied) -> None:
    ino = home.ino["a"]
    content = Content("h/a", "etag", None, 3, "data")
    changes: list[Callable[[Engine], Any]] = [
        lambda engine: change_attributes(engine, ino, {"mode": 0o600}),
        lambda engine: set_tags(engine, ino, ("t",), 2),
        lambda engine: set_xattrs(engine, read_inode(world.direct, ino), (("user.a", b"b"),), 2),
        lambda engine: commit_content(engine, read_inode(world.direct, ino), content, {"mtime_ns": 7}),
        lambda engine: commit_content(engine, read_inode(world.direct, ino), None),
    ]
    for change in changes:
        for before, after in each_loss(
            world, applied, lambda: read_inode(world.direct, ino), lambda _, c=change: c(world.through)
        ):
            assert after is not None
            assert after == read_inode(world.direct, ino)
            assert (after.rev - before.rev, after.arev - before.arev) in ((0, 1), (1, 1), (1, 0)), "once"


def test_a_key_is_claimed_marked_and_given_up_once(world, home, applied) -> None:
    def prepare() -> None:
        for record in objects_of(world.direct, 7):
            delete_object(world.direct, record)

    def act(_: object) -> Any:
        claimed = insert_claim(world.through, "h/key", 7)
        return claimed, mark_object(world.through, claimed, ObjectState.LIVE) if claimed is not None else None

    for _, (claimed, live) in each_loss(world, applied, prepare, act):
        assert claimed is not None
        assert live is not None
        assert objects_of(world.direct, 7) == [live]
        assert insert_claim(world.through, "h/key", 8) is None, "somebody else's claim is still a duplicate"

    def claim() -> Any:
        prepare()
        return insert_claim(world.direct, "h/key", 7)

    for _, _ in each_loss(world, applied, claim, lambda record: delete_object(world.through, record)):
        assert objects_of(world.direct, 7) == []


def test_an_orphan_is_deleted_once(world, home, applied) -> None:
    def prepare() -> Any:
        home.build()
        return unlink(world.direct, home.root, "a", 2)

    for orphan, done in each_loss(world, applied, prepare, lambda orphan: delete_inode(world.through, orphan)):
        assert done
        assert read_inode(world.direct, orphan.ino) is None


def test_a_block_of_numbers_is_nobody_elses(world, home, applied) -> None:
    given = {take_block(world.direct)}
    for _, block in each_loss(world, applied, lambda: None, lambda _: take_block(world.through)):
        assert block >= max(given) + BLOCK
        given.add(block)

    def forget() -> None:
        world.direct.delete("counters", "ino")

    for _, block in each_loss(world, applied, forget, lambda _: take_block(world.through)):
        assert block == 16
        assert take_block(world.direct) >= block + BLOCK


def test_a_person_signs_up_in_out_and_changes_the_password(world, applied) -> None:
    email = "ada@example.org"

    def live_through(_: object) -> Any:
        engine = world.through
        user = sign_up(engine, email, PASSWORD, 4)
        token = begin_session(engine, authenticate(engine, email, PASSWORD, 4), "host", 1)
        change_password(engine, token, PASSWORD, PASSWORD + "!", 4)
        assert check_session(engine, token).id == user.id
        other = begin_session(engine, authenticate(engine, email, PASSWORD + "!", 4), "host", 1)
        end_session(engine, other)
        with pytest.raises(SessionEnded):
            check_session(engine, other)
        end_all_sessions(engine, user)
        with pytest.raises(SessionEnded):
            check_session(engine, token)
        return user

    for _, user in each_loss(world, applied, lambda: wipe(world.direct), live_through):
        found = [(doc["_id"], doc["email"], doc["auth_epoch"]) for doc in world.direct.scan("users")]
        assert found == [(user.id, email, 2)]
        assert [inode["_id"] for inode in world.direct.scan("inodes")] == [user.root], "one root, and not a second one"
        assert world.direct.scan("sessions") == world.direct.scan("attempts") == []
