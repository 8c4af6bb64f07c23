"""Two mounts that edit one file while the store is away: both versions are kept, beside each other, and one is told."""

from __future__ import annotations

import os
import signal

import pytest

from tests.together.conftest import TwoMounts


@pytest.fixture
def edited(two_lazy_mounts: TwoMounts) -> TwoMounts:
    """Both have seen the first version of a file."""
    mounts = two_lazy_mounts
    (mounts.one / "plan.txt").write_text("as it was")
    mounts.here.run("sync")
    mounts.seen("the first version", lambda: (mounts.two / "plan.txt").read_text() == "as it was")
    return mounts


@pytest.mark.directory_store
def test_a_file_edited_on_both_sides_is_kept_twice(edited: TwoMounts) -> None:
    mounts, here, there = edited, edited.here, edited.there
    away = here.objects.parent.with_name("away")
    here.objects.parent.rename(away)
    (mounts.one / "plan.txt").write_text("by one")
    (mounts.two / "plan.txt").write_text("by two")
    assert (mounts.one / "plan.txt").read_text() == "by one"
    assert (mounts.two / "plan.txt").read_text() == "by two"
    away.rename(here.objects.parent)

    here.run("sync")
    there.run("sync")
    for drive in (mounts.one, mounts.two):
        mounts.seen("both versions", lambda drive=drive: len(list(drive.iterdir())) == 2)
        mine, copy = sorted(drive.iterdir(), key=lambda path: len(path.name))
        assert (mine.name, mine.read_text()) == ("plan.txt", "by one")
        assert copy.name.startswith("plan (conflict ")
        assert copy.suffix == ".txt"
        assert copy.read_text() == "by two"
    assert "kept beside a file that was changed elsewhere: plan (conflict " in there.run("status")
    assert "kept beside" not in here.run("status")


@pytest.mark.directory_store
def test_it_is_kept_twice_also_where_one_of_them_was_killed_meanwhile(edited: TwoMounts) -> None:
    mounts, here, there = edited, edited.here, edited.there
    away = here.objects.parent.with_name("away")
    here.objects.parent.rename(away)
    (mounts.two / "plan.txt").write_text("by two")
    os.kill(there.pid(), signal.SIGKILL)
    away.rename(here.objects.parent)
    (mounts.one / "plan.txt").write_text("by one")
    here.run("sync")

    drive = there.mount()
    there.run("sync")
    mounts.seen("both versions", lambda: {path.read_text() for path in drive.iterdir()} == {"by one", "by two"})
    assert (drive / "plan.txt").read_text() == "by one"
