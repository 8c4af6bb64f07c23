"""Steps whose answer is lost, or that never arrive: done once, and known to be. (tests/crash has the same over a real server.)"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

import mongomock
import mongomock.collection
import pytest
from pymongo.errors import AutoReconnect, DuplicateKeyError, OperationFailure, PyMongoError

from kumofs.catalog import mongo_certain
from kumofs.catalog.mongo_certain import CertainWrites, Uncertain
from kumofs.catalog.mongo_steps import plain
from kumofs.catalog.port import Delete, Insert, Step, Update
from kumofs.errors import Duplicate

CALLS = ("insert_one", "find_one_and_update", "find_one_and_delete", "bulk_write", "find_one")


class Losing:
    """A collection, one of whose calls is done (or is not, or is done in part) and then breaks off."""

    def __init__(self, at: int, applied: bool, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.inner = mongomock.MongoClient()["k"]["c"]
        self._calls = count(1)
        self._at = at
        self._applied = applied
        self._meanwhile = meanwhile
        self.lost = False

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.inner, name)
        if name not in CALLS:
            return call

        def maybe(*args: Any, **kwargs: Any) -> Any:
            if next(self._calls) != self._at:
                return call(*args, **kwargs)
            self.lost = True
            if self._applied:
                with suppress(PyMongoError):  # a refusal can be lost, too
                    call(*args, **kwargs)
            self._meanwhile()
            raise AutoReconnect("connection closed")

        return maybe


def certain(collection: Any, deadline_s: float = 60.0) -> CertainWrites:
    ticks = count(1000)
    return CertainWrites(lambda _: collection, lambda: next(ticks), deadline_s)


def losing(applied: bool, act: Callable[[CertainWrites, Losing], None]) -> None:
    """Do `act` with the first, the second, ... call lost, until there is none to lose."""
    for at in range(1, 20):
        collection = Losing(at, applied)
        collection.inner.insert_one({"_id": 1, "n": 0, "t": "old", "_born": "b"})
        act(certain(collection), collection)
        if not collection.lost:
            assert at > 1
            return
    raise AssertionError("more calls than are tried")


@pytest.fixture(autouse=True)
def accept_sort(monkeypatch: pytest.MonkeyPatch) -> None:
    """mongomock 4.3 does not know the `sort` argument that pymongo >= 4.11 hands to a bulk update (always None here)."""
    builder = mongomock.collection.BulkOperationBuilder
    if "sort" not in inspect.signature(builder.add_update).parameters:
        original = builder.add_update
        monkeypatch.setattr(builder, "add_update", lambda *args, sort=None, **kwargs: original(*args, **kwargs))


@pytest.fixture(params=[True, False], ids=["after", "before"])
def applied(request: pytest.FixtureRequest) -> bool:
    return request.param


def test_insert(applied: bool) -> None:
    def act(writes: CertainWrites, collection: Losing) -> None:
        writes.insert(Insert("c", {"_id": 2, "n": 5}))
        assert plain(collection.inner.find_one({"_id": 2})) == {"_id": 2, "n": 5}
        with pytest.raises(DuplicateKeyError):
            writes.insert(Insert("c", {"_id": 1, "n": 0, "t": "old"}))

    losing(applied, act)


def test_a_compare_and_swap_and_one_that_fails(applied: bool) -> None:
    def act(writes: CertainWrites, collection: Losing) -> None:
        done = writes.update(Update("c", 1, {"t": "old"}, {"t": "new"}, inc={"n": 1}))
        assert done is not None
        assert plain(done) == {"_id": 1, "n": 1, "t": "new"} == plain(collection.inner.find_one({"_id": 1}))
        assert writes.update(Update("c", 2, {"t": "old"}, {"t": "new"})) is None

    losing(applied, act)


def test_an_unconditional_step_is_done_once_too(applied: bool) -> None:
    def act(writes: CertainWrites, collection: Losing) -> None:
        done = writes.update(Update("c", 1, inc={"n": 1}))
        assert done is not None
        assert done["n"] == 1

    losing(applied, act)


def test_delete(applied: bool) -> None:
    def act(writes: CertainWrites, collection: Losing) -> None:
        done = writes.delete(Delete("c", 1, {"t": "old"}))
        assert done is not None
        assert (done["_id"], done["t"]) == (1, "old")
        assert collection.inner.find_one({}) is None

    losing(applied, act)


def test_a_delete_that_may_not_leaves_the_document(applied: bool) -> None:
    def act(writes: CertainWrites, collection: Losing) -> None:
        assert writes.delete(Delete("c", 1, {"t": "other"})) is None
        assert collection.inner.find_one({"_id": 1}) is not None

    losing(applied, act)


BATCH: Sequence[Step] = (
    Insert("c", {"_id": 2, "n": 0}),
    Update("c", 2, {"n": 0}, inc={"n": 1}),
    Update("c", 1, {"t": "old"}, {"t": "new"}, inc={"n": 1}),
    Update("c", 3, {"t": "old"}, {"t": "new"}),
    Delete("c", 2, {"n": 1}),
    Insert("c", {"_id": 4}),
)


def after_batch(collection: Losing) -> dict[Any, Any]:
    return {doc["_id"]: plain(doc) for doc in collection.inner.find({})}


def test_a_batch(applied: bool) -> None:
    def act(writes: CertainWrites, collection: Losing) -> None:
        assert writes.batch(BATCH, 60) == 3
        assert after_batch(collection) == {1: {"_id": 1, "n": 1, "t": "new"}, 4: {"_id": 4}}

    losing(applied, act)


@pytest.mark.parametrize("done", range(len(BATCH)))
def test_a_batch_of_which_a_part_was_done(done: int, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = Losing(0, True)
    collection.inner.insert_one({"_id": 1, "n": 0, "t": "old", "_born": "b"})
    whole = collection.inner.bulk_write

    def part(requests: list[Any], **kwargs: Any) -> None:
        if done:
            whole(requests[:done], **kwargs)
        raise AutoReconnect("connection closed")

    monkeypatch.setattr(collection.inner, "bulk_write", part)
    if done < 5:
        assert certain(collection).batch(BATCH, 60) == 3
    else:  # inserted, changed and deleted again: the insert cannot tell, and the rest follows
        certain(collection).batch(BATCH, 60)
    assert after_batch(collection) == {1: {"_id": 1, "n": 1, "t": "new"}, 4: {"_id": 4}}


def test_a_batch_still_ends_at_its_duplicate(applied: bool) -> None:
    def act(writes: CertainWrites, collection: Losing) -> None:
        with pytest.raises(Duplicate) as caught:
            writes.batch([Insert("c", {"_id": 2}), Insert("c", {"_id": 1}), Insert("c", {"_id": 3})], 60)
        assert caught.value.position == 1
        assert set(after_batch(collection)) == {1, 2}

    losing(applied, act)


def test_who_was_overtaken_is_told_that_nobody_knows() -> None:
    collection = Losing(1, True, lambda: collection.inner.update_one({"_id": 1}, {"$set": {"t": "theirs", "_op": "theirs"}}))
    collection.inner.insert_one({"_id": 1, "n": 0, "t": "old"})
    with pytest.raises(Uncertain):
        certain(collection).update(Update("c", 1, {"t": "old"}, {"t": "new"}))


def test_a_final_answer_is_not_asked_for_again() -> None:
    collection = mongomock.MongoClient()["k"]["c"]
    asked = 0

    def refuse(*args: Any, **kwargs: Any) -> None:
        nonlocal asked
        asked += 1
        raise OperationFailure("not authorized", 13)

    collection.insert_one = refuse
    with pytest.raises(OperationFailure):
        certain(collection).insert(Insert("c", {"_id": 1}))
    assert asked == 1


def test_an_answer_that_never_comes_is_waited_for_until_the_deadline() -> None:
    collection = mongomock.MongoClient()["k"]["c"]
    collection.find_one_and_update = no_answer
    with pytest.raises(AutoReconnect):
        certain(collection, 0.3).update(Update("c", 1))


def test_a_batch_that_took_all_the_time_there_was_ends() -> None:
    collection = Losing(1, True, lambda: time.sleep(0.2))
    broken = certain(collection)
    collection.inner.find_one_and_update = collection.inner.insert_one = no_answer
    with pytest.raises(AutoReconnect):
        broken.batch(BATCH, 0.1)


def no_answer(*args: Any, **kwargs: Any) -> None:
    raise AutoReconnect("connection closed")


def test_what_took_long_is_stamped_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongo_certain, "LATE_S", -1.0)
    collection = mongomock.MongoClient()["k"]["c"]
    writes = certain(collection)
    writes.insert(Insert("c", {"_id": 1}, ("at",)))
    assert collection.find_one({"_id": 1})["at"] == 1001
    done = writes.update(Update("c", 1, stamp=("at",)))
    assert done is not None
    assert done["at"] == 1003
    writes.batch([Update("c", 1, stamp=("at",)), Update("c", 1, set={"n": 1})], 60)
    assert collection.find_one({"_id": 1})["at"] == 1004, "the second step took the place of the first one's token"
