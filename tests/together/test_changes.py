"""Each kind of change made through one mount is seen through the other, names, bytes and attributes alike."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

import pytest

from kumofs.config import load_settings
from tests.together.conftest import TwoMounts


def test_names_come_and_go(two_mounts: TwoMounts) -> None:
    one, two, seen = two_mounts.one, two_mounts.two, two_mounts.seen
    (two / "warm").mkdir()
    seen("mkdir", (one / "warm").is_dir)
    assert os.listdir(one / "warm") == []  # both have the folder in memory from here on
    (two / "warm" / "file").write_text("text")
    seen("create", lambda: (one / "warm" / "file").read_text() == "text")
    os.rename(one / "warm" / "file", one / "warm" / "moved")
    seen("rename a file", lambda: os.listdir(two / "warm") == ["moved"])
    assert not (two / "warm" / "file").exists()
    os.rename(two / "warm", two / "cold")
    seen("rename a folder", lambda: os.listdir(one) == ["cold"] and (one / "cold" / "moved").read_text() == "text")
    os.symlink("moved", one / "cold" / "link")
    seen("symlink", lambda: os.readlink(two / "cold" / "link") == "moved")
    os.link(two / "cold" / "moved", two / "cold" / "second")
    seen("hard link", lambda: (one / "cold" / "moved").stat().st_nlink == 2 and (one / "cold" / "second").exists())
    os.unlink(one / "cold" / "moved")
    seen("unlink", lambda: sorted(os.listdir(two / "cold")) == ["link", "second"])
    seen("its link count", lambda: (two / "cold" / "second").stat().st_nlink == 1)
    os.unlink(two / "cold" / "second")
    os.unlink(two / "cold" / "link")
    os.rmdir(two / "cold")
    seen("rmdir", lambda: os.listdir(one) == [])


def test_bytes(two_mounts: TwoMounts) -> None:
    one, two, seen = two_mounts.one / "f", two_mounts.two / "f", two_mounts.seen
    one.write_bytes(b"first!")
    seen("create", lambda: two.read_bytes() == b"first!")
    two.write_bytes(b"second")
    seen("overwrite with the same size", lambda: one.read_bytes() == b"second")
    with open(one, "ab") as file:
        file.write(b" and more")
    seen("append", lambda: two.stat().st_size == 15 and two.read_bytes() == b"second and more")
    os.truncate(two, 3)
    seen("truncate", lambda: one.stat().st_size == 3 and one.read_bytes() == b"sec")
    os.truncate(two, 100_000)
    seen("lengthen", lambda: one.stat().st_size == 100_000 and one.read_bytes() == b"sec" + bytes(99_997))


def test_attributes(two_mounts: TwoMounts) -> None:
    one, two, seen = two_mounts.one / "f", two_mounts.two / "f", two_mounts.seen
    one.write_text("text")
    seen("create", two.exists)
    os.chmod(one, 0o640)
    seen("chmod", lambda: two.stat().st_mode & 0o7777 == 0o640)
    os.chown(two, 1234, 2345)
    seen("chown", lambda: (one.stat().st_uid, one.stat().st_gid) == (1234, 2345))
    os.utime(one, ns=(1_000_000_001, 2_000_000_002))
    seen("utimens", lambda: (two.stat().st_atime_ns, two.stat().st_mtime_ns) == (1_000_000_001, 2_000_000_002))
    os.setxattr(two, "user.kumo.tag", b"trip")
    seen("tag", lambda: os.getxattr(one, "user.xdg.tags") == b"trip")
    os.setxattr(one, "user.note", b"hello")
    seen("xattr", lambda: os.getxattr(two, "user.note") == b"hello")
    os.removexattr(two, "user.note")
    seen("removed xattr", lambda: "user.note" not in os.listxattr(one))


def test_a_change_of_ones_own_does_not_hide_what_others_changed_before_it(two_mounts: TwoMounts) -> None:
    one, two, seen = two_mounts.one, two_mounts.two, two_mounts.seen
    (one / "a").write_text("short")
    os.link(one / "a", one / "b")
    seen("both names", lambda: sorted(os.listdir(two)) == ["a", "b"] and (two / "a").read_text() == "short")
    # in the same second: what comes back from the chmod tells `two` of the new bytes and of the lost name
    (one / "a").write_text("much longer than before")
    os.unlink(one / "b")
    os.chmod(two / "a", 0o600)
    seen("the size", lambda: (two / "a").stat().st_size == len("much longer than before"))
    seen("the name", lambda: os.listdir(two) == ["a"])
    assert (two / "a").read_text() == "much longer than before"


def test_a_mount_that_was_cut_off_catches_up(two_mounts: TwoMounts) -> None:

    one, two, seen = two_mounts.one, two_mounts.two, two_mounts.seen
    for name in ("gone", "kept", "moved"):
        (one / name).write_text(name)
    (one / "d").mkdir()
    (one / "d" / "inner").write_text("inner")
    seen("the files", lambda: sorted(os.listdir(two)) == ["d", "gone", "kept", "moved"])
    assert [(two / name).read_text() for name in ("gone", "kept", "moved", "d/inner")] == ["gone", "kept", "moved", "inner"]
    daemon = two_mounts.there.pid()
    os.kill(daemon, signal.SIGSTOP)
    try:
        (one / "gone").unlink()
        (one / "d" / "inner").unlink()
        (one / "kept").write_text("kept, and changed")
        os.rename(one / "moved", one / "elsewhere")
        (one / "new").write_text("new")
        time.sleep(20)  # longer than the documents of what was unlinked stay
    finally:
        os.kill(daemon, signal.SIGCONT)
    seen("all that was missed", lambda: sorted(os.listdir(two)) == ["d", "elsewhere", "kept", "new"], 60)
    seen("within folders", lambda: os.listdir(two / "d") == [], 60)
    assert (two / "kept").read_text() == "kept, and changed"
    assert (two / "new").read_text() == "new"
    seen("no ghost", lambda: not Path(two / "gone").exists(), 60)


def test_a_file_that_becomes_shorter_elsewhere_shows_no_zeros(two_mounts: TwoMounts) -> None:
    one, two = two_mounts.one / "f", two_mounts.two / "f"
    old, new = b"o" * 8292, b"n" * 8092
    one.write_bytes(old)
    two_mounts.seen("the file", lambda: two.read_bytes() == old)
    fd = os.open(two, os.O_RDONLY)
    try:
        one.write_bytes(new)

        def is_new() -> bool:
            # not beyond the old end, or the kernel would ask for the size first
            body = os.pread(fd, 4096, 4096)
            assert body in (old[4096:8192], new[4096:8192])
            if body == old[4096:8192]:
                return False
            assert two.stat().st_size == len(new)
            return True

        two_mounts.seen("the shorter file", is_new)  # which takes ESTALE, in the moment of the change, for not yet
        two_mounts.seen("all of it", lambda: two.read_bytes() == new)
        assert os.pread(fd, 4096, 4096) == new[4096:8192]
    finally:
        os.close(fd)


def gone(mounts: TwoMounts) -> bool:
    """Whether the store has none of the home's objects any more."""
    return not list(mounts.here.store.list("ada/"))


def reread(fd: int) -> bytes:
    """What is read at the beginning of an open file, not from the kernel's pages."""
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    return os.pread(fd, 100, 0)


@pytest.mark.directory_store
def test_a_file_opened_while_it_is_saved_is_read_on_after_it_was_removed_elsewhere(two_lazy_mounts: TwoMounts) -> None:
    mounts = two_lazy_mounts
    (mounts.one / "a").write_bytes(b"bytes")
    with open(mounts.one / "a", "rb", buffering=0) as file:
        mounts.seen("the object", lambda: not gone(mounts))
        mounts.seen("create", (mounts.two / "a").exists)
        os.unlink(mounts.two / "a")
        mounts.seen("the bytes are freed", lambda: gone(mounts))
        assert reread(file.fileno()) == b"bytes"


@pytest.mark.directory_store
def test_a_file_opened_anew_after_a_change_elsewhere_is_read_on_after_its_removal(two_mounts: TwoMounts) -> None:
    (two_mounts.one / "a").write_bytes(b"old")
    with open(two_mounts.one / "a", "rb", buffering=0) as before:
        assert before.read() == b"old"
        (two_mounts.two / "a").write_bytes(b"newer")
        with open(two_mounts.one / "a", "rb", buffering=0) as after:
            os.unlink(two_mounts.two / "a")
            two_mounts.seen("the bytes are freed", lambda: gone(two_mounts))
            assert reread(after.fileno()) == b"newer"


def test_a_file_removed_elsewhere_is_read_on_or_is_stale(two_mounts: TwoMounts) -> None:
    near = load_settings(two_mounts.here.environ).store.startswith("file:")
    (two_mounts.two / "a").write_bytes(b"bytes")
    two_mounts.seen("create", (two_mounts.one / "a").exists)
    with open(two_mounts.one / "a", "rb", buffering=0) as file:
        os.unlink(two_mounts.two / "a")
        two_mounts.seen("the bytes are freed", lambda: gone(two_mounts))
        if near:
            assert file.read() == b"bytes"
        else:
            with pytest.raises(OSError) as caught:
                file.read()
            assert caught.value.errno == errno.ESTALE
