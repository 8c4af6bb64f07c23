"""What a conflict copy is called."""

from __future__ import annotations

import pytest

from kumofs.catalog.claims import read_inode
from kumofs.staging.conflict import conflict_name, create_beside
from kumofs.staging.staged import StagedFile
from tests.unit.staging.conftest import Home

DAY_NS = 1_772_323_200 * 10**9  # 2026-03-01


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("report.txt", "report (conflict 2026-03-01 laptop).txt"),
        ("Makefile", "Makefile (conflict 2026-03-01 laptop)"),
        (".profile", ".profile (conflict 2026-03-01 laptop)"),
        ("a.tar.gz", "a.tar (conflict 2026-03-01 laptop).gz"),
    ],
)
def test_the_copy_lies_beside_with_its_ending(name: str, expected: str) -> None:
    assert conflict_name(name, DAY_NS, "laptop") == expected


@pytest.mark.parametrize("name", ["x" * 255, "名" * 85, "a." + "b" * 253, "." * 255])
def test_the_copy_of_a_long_name_is_a_name(name: str) -> None:
    made = conflict_name(name, DAY_NS, "laptop", 12)
    assert len(made.encode()) <= 255
    assert "(conflict 2026-03-01 laptop 12)" in made


def test_no_number_of_conflict_copies_of_one_name_is_too_many(home: Home) -> None:
    theirs = read_inode(home.engine, home.make("n"))
    assert theirs is not None
    staged = StagedFile(home.area, theirs.ino, None)
    made = {create_beside(home.engine, home.numbers, staged, theirs, "laptop").names[0] for _ in range(150)}
    assert len(made) == 150
