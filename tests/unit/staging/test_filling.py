"""What is read of a staged file while a commit brings in, in its thread, what was not written."""

from __future__ import annotations

from pathlib import Path

import pytest

from kumofs.model import Content
from kumofs.staging.area import StagingArea
from kumofs.staging.filling import overlaid
from kumofs.staging.staged import StagedFile

BASE = b"0123456789"


@pytest.fixture
def staged(tmp_path: Path) -> StagedFile:
    """A file of which two bytes were written anew."""
    made = StagedFile(StagingArea.open(tmp_path, "h"), 1, Content("h/f", "etag", None, len(BASE), "data"))
    made.write(4, b"XY")
    return made


def fill_at_once(staged: StagedFile) -> None:
    for start, end in staged.gaps(0, staged.size):
        staged.fill(start, BASE[start:end])


@pytest.mark.parametrize("moment", ["before the bytes are read", "after the bytes were read"])
def test_what_a_commit_fills_meanwhile_is_no_zeros(staged: StagedFile, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    read = staged.read

    def interrupted(offset: int, length: int) -> bytes:
        if moment.startswith("before"):
            fill_at_once(staged)
            return read(offset, length)
        body = read(offset, length)
        fill_at_once(staged)
        return body

    monkeypatch.setattr(staged, "read", interrupted)
    assert overlaid(staged, 0, len(BASE), [(0, BASE[:4]), (6, BASE[6:])]) == b"0123XY6789"
    assert overlaid(staged, 0, len(BASE), []) == b"0123XY6789"
