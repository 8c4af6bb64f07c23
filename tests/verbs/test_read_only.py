"""Every verb on a mount that was made with --read-only: EROFS, and nothing changes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

VERBS: dict[str, Callable[[], object]] = {
    "chmod": lambda: os.chmod("a", 0o600),
    "chown": lambda: os.chown("a", 1, 1),
    "link": lambda: os.link("a", "b"),
    "mkdir": lambda: os.mkdir("b"),
    "mkfifo": lambda: os.mkfifo("b"),
    "mknod": lambda: os.mknod("b"),
    "open": lambda: os.open("b", os.O_CREAT | os.O_WRONLY),
    "open for writing": lambda: os.open("a", os.O_WRONLY),
    "rename": lambda: os.rename("a", "b"),
    "rmdir": lambda: os.rmdir("d"),
    "setxattr": lambda: os.setxattr("a", "user.x", b"x"),
    "symlink": lambda: os.symlink("a", "b"),
    "truncate": lambda: os.truncate("a", 0),
    "unlink": lambda: os.unlink("a"),
    "utimensat": lambda: os.utime("a", ns=(1, 1)),
}


@pytest.fixture(scope="module")
def read_only(new_session_world) -> Iterator[Path]:
    world = new_session_world("read-only")
    drive = world.mount()
    (drive / "d").mkdir()
    (drive / "a").write_text("text")
    world.umount()
    world.mount("drive", "--read-only")
    before = os.getcwd()
    os.chdir(drive)
    yield drive
    os.chdir(before)
    world.umount()


@pytest.mark.parametrize("verb", VERBS)
def test_it_is_refused(read_only: Path, verb: str) -> None:
    before = os.stat("a")
    with pytest.raises(OSError) as caught:
        VERBS[verb]()
    assert caught.value.errno == errno.EROFS
    assert sorted(os.listdir(".")) == ["a", "d"]
    assert (os.stat("a"), Path("a").read_text()) == (before, "text")
