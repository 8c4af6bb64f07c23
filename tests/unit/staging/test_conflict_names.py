"""What a conflict copy is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from kumofs.catalog.create import create, make_root
from kumofs.catalog.numbers import Numbers
from kumofs.catalog.sqlite import SqliteEngine
from kumofs.model import Inode, Kind
from kumofs.staging.area import StagingArea
from kumofs.staging.conflict import conflict_name, create_beside
from kumofs.staging.staged import StagedFile

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


def test_no_number_of_conflict_copies_of_one_name_is_too_many(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "catalog.db")
    numbers = Numbers(engine)
    theirs = create(
        engine, numbers, make_root(engine, "h", "o", 0, 0), "n", Inode(0, "h", Kind.FILE, (), 0o644, 0, 0, 1, 1, 1, 1, "o")
    )
    staged = StagedFile(StagingArea.open(tmp_path, "h"), theirs.ino, None)
    made = {create_beside(engine, numbers, staged, theirs, "laptop").names[0] for _ in range(150)}
    assert len(made) == 150
