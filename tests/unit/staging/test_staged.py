"""A staged file and its journal record fit together, wherever the mount ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kumofs.staging import staged as module
from kumofs.staging.area import StagingArea
from kumofs.staging.journal import read_record
from kumofs.staging.staged import StagedFile

CLOSED = b"0123456789"


class Stopped(BaseException):
    """The process ends here."""


@pytest.fixture
def area(tmp_path: Path) -> StagingArea:
    return StagingArea.open(tmp_path, "h")


def closed_file(area: StagingArea) -> StagedFile:
    staged = StagedFile(area, 1, None)
    staged.write(0, CLOSED)
    staged.journal(durable=False)
    return staged


def next_mount(area: StagingArea) -> StagedFile:
    record = read_record(area.journal_path(1))
    assert record is not None
    return StagedFile.restore(area, record)


def stop_after(monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    """The process ends before the call after that many of those that change the file or its record."""
    left = [calls]

    def counted(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if left[0] == 0:
                raise Stopped
            left[0] -= 1
            return function(*args, **kwargs)

        return call

    for owner, name in ((module.os, "ftruncate"), (module, "write_record")):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))


@pytest.mark.parametrize("written_first", [False, True])
@pytest.mark.parametrize("size", [0, 4, 20])
@pytest.mark.parametrize("calls", range(3))
def test_a_cut_that_ends_halfway_leaves_a_whole_file(area, monkeypatch, calls, size, written_first) -> None:
    staged = closed_file(area)
    before = CLOSED
    if written_first:
        staged.write(10, b"more")
        before += b"more"
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        stop_after(patch, calls)
        staged.truncate(size)
        raise Stopped
    again = next_mount(area)
    body = again.path.read_bytes()
    assert len(body) == again.size
    assert body in {before[:size].ljust(size, b"\0"), before, CLOSED}


def test_what_was_written_on_after_a_close_has_the_length_of_the_record(area) -> None:
    staged = closed_file(area)
    staged.write(10, b"more, and never closed")
    again = next_mount(area)
    assert again.path.read_bytes() == CLOSED
    assert again.size == len(CLOSED)


def test_a_file_that_the_store_shares_is_copied_before_its_length_is_mended(area, tmp_path) -> None:
    staged = closed_file(area)
    staged.write(10, b"more")
    shared = tmp_path / "object"
    shared.hardlink_to(staged.path)
    assert next_mount(area).path.read_bytes() == CLOSED
    assert shared.read_bytes() == CLOSED + b"more"
