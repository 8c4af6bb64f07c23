"""What every engine does, whatever it is made of; the contract is the docstring of `kumofs.catalog.port`."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from kumofs.catalog.port import ABSENT, PRESENT, Delete, Engine, Insert, Update
from kumofs.errors import Duplicate


def inode(ino: int, **fields: object) -> dict[str, object]:
    return {"_id": ino, "home": "ada", **fields}


def by_utf16(engine: Engine) -> bool:
    """Whether it is mongo-java-server, which compares strings by UTF-16 units, where MongoDB compares their UTF-8."""
    database = getattr(engine, "_database", None)
    return database is not None and "mongomock" not in type(database).__module__ and java(database)


def java(database: Any) -> bool:
    return bool(database.command("serverStatus").get("process") == "java")


def entry(id: str) -> dict[str, object]:
    return {"_id": id, "parent": 1, "inos": [7], "token": "t"}


def test_what_was_inserted_is_read_back_unchanged(engine: Engine) -> None:
    doc = inode(7, text='日本語 "q" \\ \n\x01', number=2**62, flag=True, nothing=None, nested={"k": [1, {"z": None}]})
    engine.insert("inodes", doc)
    assert engine.get("inodes", 7) == doc


def test_a_document_that_is_not_there_is_none(engine: Engine) -> None:
    assert engine.get("inodes", 7) is None


def test_a_taken_id_is_a_duplicate_and_changes_nothing(engine: Engine) -> None:
    engine.insert("inodes", inode(7, n=1))
    with pytest.raises(Duplicate):
        engine.insert("inodes", inode(7, n=2))
    assert engine.get("inodes", 7) == inode(7, n=1)


def test_a_taken_unique_field_is_a_duplicate_and_leaves_no_document(engine: Engine) -> None:
    engine.insert("users", {"_id": "u1", "email": "a@b.c", "home": "a"})
    with pytest.raises(Duplicate):
        engine.insert("users", {"_id": "u2", "email": "a@b.c", "home": "b"})
    assert engine.get("users", "u2") is None
    engine.insert("users", {"_id": "u2", "email": "b@b.c", "home": "b"})


def test_an_update_may_not_take_a_unique_field_that_is_taken(engine: Engine) -> None:
    engine.insert("users", {"_id": "u1", "email": "a@b.c", "home": "a"})
    engine.insert("users", {"_id": "u2", "email": "b@b.c", "home": "b"})
    with pytest.raises(Duplicate):
        engine.update("users", "u2", set={"email": "a@b.c"})
    found = engine.get("users", "u2")
    assert found is not None and found["email"] == "b@b.c"


def test_many_are_read_by_id_and_the_missing_are_left_out(engine: Engine) -> None:
    for ino in range(2000):
        engine.insert("inodes", inode(ino))
    assert set(engine.get_many("inodes", range(1500, 2500))) == set(range(1500, 2000))


def test_update_returns_the_document_after_the_change(engine: Engine) -> None:
    engine.insert("inodes", inode(7, n=1, old="x"))
    changed = engine.update("inodes", 7, {"n": 1}, {"new": "y"}, ("old",), {"n": 2})
    assert changed == inode(7, n=3, new="y") == engine.get("inodes", 7)


@pytest.mark.parametrize(
    ("where", "matches"),
    [
        ({}, True),
        ({"n": 1}, True),
        ({"n": 2}, False),
        ({"n": 1, "home": "ada"}, True),
        ({"n": 1, "home": "bob"}, False),
        ({"n": PRESENT}, True),
        ({"gone": PRESENT}, False),
        ({"gone": ABSENT}, True),
        ({"n": ABSENT}, False),
        ({"gone": 1}, False),
        ({"mark": {"token": "t", "by": None}}, True),
        ({"mark": {"token": "other", "by": None}}, False),
        ({"list": [{"name": "a.b", "value": ""}]}, True),
        ({"list": []}, False),
    ],
)
def test_where_is_equality_or_presence(engine: Engine, where: dict[str, object], matches: bool) -> None:
    engine.insert("inodes", inode(7, n=1, mark={"token": "t", "by": None}, list=[{"name": "a.b", "value": ""}]))
    assert (engine.update("inodes", 7, where, {"hit": True}) is not None) == matches
    assert (engine.delete("inodes", 7, where) is not None) == matches


def test_update_of_what_is_not_there_is_none_and_makes_nothing(engine: Engine) -> None:
    assert engine.update("inodes", 7, set={"n": 1}) is None
    assert engine.get("inodes", 7) is None


def test_inc_begins_at_zero(engine: Engine) -> None:
    engine.insert("inodes", inode(7))
    assert engine.update("inodes", 7, inc={"n": 3}) == inode(7, n=3)


def test_delete_returns_what_was_there(engine: Engine) -> None:
    engine.insert("inodes", inode(7))
    assert engine.delete("inodes", 7) == inode(7)
    assert engine.delete("inodes", 7) is None


def test_stamps_are_the_engines_time(engine: Engine) -> None:
    before = engine.now_us()
    engine.insert("inodes", inode(7), stamp=("changed_us",))
    first = engine.get("inodes", 7)
    second = engine.update("inodes", 7, stamp=("changed_us",))
    assert first is not None and second is not None
    assert before <= first["changed_us"] <= second["changed_us"] <= engine.now_us()


def test_a_scan_is_in_code_point_order_between_exclusive_bounds(engine: Engine) -> None:
    names = ["", "!", "A", "a", "a ", "a/b", "b", "~", "é", "日", "😀", *([] if by_utf16(engine) else ["\uffff"])]
    for name in names:
        engine.insert("entries", entry(f"1/{name}"))
    engine.insert("entries", entry("10/x"))
    engine.insert("entries", entry("2/x"))
    assert [doc["_id"] for doc in engine.scan("entries", "1/", "10")] == [f"1/{name}" for name in sorted(names[1:])]
    assert [doc["_id"] for doc in engine.scan("entries", "1/a", "1/b")] == ["1/a ", "1/a/b"]


def test_a_scan_has_characters_beyond_the_basic_plane_last(engine: Engine, orders_by_utf16: bool) -> None:
    for name in ("1/\uffff", "1/😀"):
        engine.insert("entries", entry(name))
    if orders_by_utf16:
        pytest.xfail("this server, mongo-java-server, compares strings by UTF-16 units; MongoDB by code points")
    assert [doc["_id"] for doc in engine.scan("entries")] == ["1/\uffff", "1/😀"]


def test_a_scan_pages(engine: Engine) -> None:
    for ino in (3, 20, 100, 9):
        engine.insert("inodes", inode(ino))
    assert [doc["_id"] for doc in engine.scan("inodes", limit=2)] == [3, 9]
    assert [doc["_id"] for doc in engine.scan("inodes", after=9)] == [20, 100]


def test_a_scan_of_ranges_gives_what_lies_in_any_of_them_once(engine: Engine) -> None:
    for name in ("a", "b/1", "b/2", "c", "d/1"):
        engine.insert("objects", {"_id": name, "ino": 1})
    found = engine.scan_any("objects", [("b/", "b0"), ("b/1", "b0"), ("d/", "d0"), ("e/", "e0")])
    assert sorted(doc["_id"] for doc in found) == ["b/1", "b/2", "d/1"]
    assert len(engine.scan_any("objects", [("a/", "z")], limit=2)) == 2
    assert engine.scan_any("objects", []) == []


def test_find_ranges_over_an_index_in_order(engine: Engine) -> None:
    for ino, changed in ((1, 30), (2, 10), (3, 20)):
        engine.insert("inodes", inode(ino, changed_us=changed))
    engine.insert("inodes", {"_id": 4, "home": "bob", "changed_us": 40})
    found = engine.find("inodes", {"home": "ada"}, ("changed_us", 10))
    assert [doc["_id"] for doc in found] == [3, 1]
    assert [doc["_id"] for doc in engine.find("inodes", {"home": "ada"}, ("changed_us", 0), limit=1)] == [2]


def test_find_meets_each_element_of_a_list(engine: Engine) -> None:
    engine.insert("inodes", inode(1, tags=["trip", "2026"]))
    engine.insert("inodes", inode(2, tags=["trip"]))
    engine.insert("inodes", inode(3))
    assert sorted(doc["_id"] for doc in engine.find("inodes", {"home": "ada", "tags": "trip"})) == [1, 2]
    engine.update("inodes", 1, set={"tags": ["2026", "2026"]})
    engine.update("inodes", 2, unset=("tags",))
    engine.update("inodes", 3, set={"tags": ["2026"]})
    assert engine.find("inodes", {"home": "ada", "tags": "trip"}) == []
    engine.delete("inodes", 3)
    assert [doc["_id"] for doc in engine.find("inodes", {"home": "ada", "tags": "2026"})] == [1]


def test_find_without_an_index_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="no index"):
        engine.find("inodes", {"mode": 1})


def test_a_batch_counts_what_matched(engine: Engine) -> None:
    steps = [
        Insert("entries", entry("1/a")),
        Insert("inodes", inode(7, n=1)),
        Update("inodes", 7, {"n": 1}, {"n": 2}),
        Update("inodes", 7, {"n": 1}, {"n": 3}),
        Delete("entries", "1/a", {"token": "t"}),
        Delete("entries", "1/b"),
    ]
    assert engine.batch(steps) == 2
    assert engine.get("inodes", 7) == inode(7, n=2)
    assert engine.get("entries", "1/a") is None


def test_a_batch_ends_at_the_first_duplicate_with_the_steps_before_it_done(engine: Engine) -> None:
    engine.insert("entries", entry("1/b"))
    steps = [Insert("entries", entry("1/a")), Insert("entries", entry("1/b")), Insert("entries", entry("1/c"))]
    with pytest.raises(Duplicate) as caught:
        engine.batch(steps)
    assert caught.value.position == 1
    assert engine.get("entries", "1/a") is not None
    assert engine.get("entries", "1/c") is None


def test_an_update_without_a_change_only_asks(engine: Engine) -> None:
    engine.insert("inodes", inode(7, n=1))
    assert engine.update("inodes", 7, {"n": 1}, stamp=("changed_us",)) is not None


def test_one_of_many_compare_and_swaps_wins(engine: Engine) -> None:
    engine.insert("inodes", inode(7, n=0))
    wins: list[int] = []

    def race(number: int) -> None:
        for turn in range(20):
            if engine.update("inodes", 7, {"n": turn}, inc={"n": 1}) is not None:
                wins.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = engine.get("inodes", 7)
    assert found is not None and found["n"] == len(wins)


def test_the_barrier_returns(engine: Engine) -> None:
    engine.insert("inodes", inode(7))
    engine.barrier()
