"""Which files are expected: those that come next in the order in which a folder is read, and the more the longer it was so."""

from __future__ import annotations

import random

import pytest

from kumofs.fs.trail import BYTES_MAX, FILES_MAX, FIRST_FILES, NEAR, NO_HABIT, PEOPLES_ORDER_MAX, SORTERS, SmallFile, Trail

BASE = 1000
FOLDER = [SmallFile(f"f{place:04}", BASE + place, 5) for place in range(500)]


def followed(trail: Trail, places: list[int]) -> list[list[int]]:
    """What is expected after each file that is opened, as places."""
    return [[ino - BASE for ino in trail.follow(BASE + place)] for place in places]


def begun(habit: list[int] = NO_HABIT) -> Trail:
    return Trail(FOLDER, habit, 0.0)


def test_the_third_file_in_order_begins_it_and_each_further_one_doubles_it() -> None:
    found = followed(begun(), [10, 11, 12, 13, 14])
    assert found == [[], [], list(range(13, 21)), list(range(21, 30)), list(range(30, 47))]
    assert FIRST_FILES == 8


def test_who_begins_with_the_first_file_needs_one_less() -> None:
    assert followed(begun(), [0, 1, 2]) == [[], list(range(2, 10)), list(range(10, 19))]


def test_it_goes_no_farther_than_its_bound_and_leaves_nothing_out() -> None:
    found = followed(begun(), list(range(40)))
    assert max(places[-1] - at for at, places in enumerate(found) if places) == FILES_MAX
    assert [place for places in found for place in places] == list(range(2, 39 + FILES_MAX + 1))


def test_large_ones_are_bounded_by_their_bytes() -> None:
    size = BYTES_MAX // 10
    trail = Trail([file._replace(size_bytes=size) for file in FOLDER], NO_HABIT, 0.0)
    found = followed(trail, list(range(20)))
    assert max(places[-1] - at for at, places in enumerate(found) if places) == 10


@pytest.mark.parametrize("sorter", SORTERS, ids=["by name", "by number", "as people do"])
def test_each_order_is_found(sorter) -> None:
    chance = random.Random(5)
    folder = [SmallFile(chance.choice("iI") + f"mg{place}", ino, 1) for place, ino in enumerate(chance.sample(range(10**6), 100))]
    inos = [file.ino for file in sorted(folder, key=sorter)]
    trail = Trail(folder, NO_HABIT, 0.0)
    found = [ino for opened in inos for ino in trail.follow(opened)]
    assert found == inos[2:]


def test_a_large_folder_is_followed_by_name_and_number() -> None:
    folder = [SmallFile(f"f{place:05}", place, 1) for place in range(PEOPLES_ORDER_MAX + 1)]
    trail = Trail(folder, NO_HABIT, 0.0)
    assert [ino for place in range(2) for ino in trail.follow(place)] == list(range(2, 10))


@pytest.mark.parametrize(
    "places",
    [[0, 50, 20, 80, 5, 70], [7, 7, 7, 7], [9, 8, 7, 6, 5], [0, NEAR + 1, 2 * NEAR + 2, 3 * NEAR + 3]],
    ids=["here and there", "the same again", "backwards", "too far between"],
)
def test_without_an_order_nothing_is_expected(places: list[int]) -> None:
    assert followed(begun(), places) == [[] for _ in places]


def test_at_random_hardly_anything_is() -> None:
    places = random.Random(3).sample(range(500), 500)
    assert sum(map(len, followed(begun(), places))) < 25


def test_a_miss_ends_it_until_there_is_evidence_again() -> None:
    found = followed(begun(), [10, 11, 12, 60, 61, 62])
    assert found[3:] == [[], [], list(range(63, 71))]


def test_files_left_out_and_several_programs_at_work_are_still_an_order() -> None:
    assert followed(begun(), [10, 12, 14])[2] == list(range(15, 23))
    shared = followed(begun(), [10, 12, 11, 13, 15, 14, 16])
    assert sorted(place for places in shared for place in places) == list(range(14, 16 + 32 + 1))


def test_who_walks_a_tree_does_not_begin_anew_in_each_folder() -> None:
    first = begun()
    followed(first, [0, 1, 2])
    assert followed(begun(first.habit), [0]) == [list(range(1, 9))]
    assert followed(begun(first.habit), [5, 6]) == [[], []]


def test_what_comes_and_goes_meanwhile_changes_nothing() -> None:
    old = begun()
    followed(old, [0, 1])
    new = Trail([*FOLDER[:30], *FOLDER[31:], SmallFile("a new one", 5, 5)], NO_HABIT, 1.0)
    new.go_on_from(old)
    assert followed(new, [2]) == [list(range(3, 19))]
