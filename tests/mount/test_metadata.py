"""Extended attributes through a real mount, and the tools that copy them."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest


def errno_of(call, *args) -> int:
    with pytest.raises(OSError) as caught:
        call(*args)
    return caught.value.errno


@pytest.fixture
def file(folder: Path, shared_world) -> Path:
    (folder / "f").write_text("x")
    shared_world[0].upload()
    return folder / "f"


def test_getfattr_shows_what_is_known(file: Path) -> None:
    shown = subprocess.run(["getfattr", "-d", file], capture_output=True, text=True, check=True).stdout
    names = {line.split("=")[0] for line in shown.splitlines() if "=" in line}
    assert {f"user.kumo.{n}" for n in ("created", "modified", "owner", "tag", "key", "state")} <= names
    assert os.getxattr(file, "user.kumo.owner") == b"ada@example.org"
    assert os.getxattr(file, "user.kumo.state") == b"synced"
    assert os.getxattr(file, "user.kumo.key") == f"ada/{file.parent.name}/f".encode()


def test_state_is_pending_until_it_is_in_the_store(file: Path, shared_world) -> None:
    with open(file, "w", buffering=1) as writer:
        writer.write("more\n")
        assert os.getxattr(file, "user.kumo.state") == b"pending"
    shared_world[0].upload()
    assert os.getxattr(file, "user.kumo.state") == b"synced"


def test_tags_are_set_in_either_name(file: Path) -> None:
    subprocess.run(["setfattr", "-n", "user.kumo.tag", "-v", "trip, 2026,trip", file], check=True)
    assert os.getxattr(file, "user.xdg.tags") == b"trip,2026"
    os.setxattr(file, "user.xdg.tags", b"other")
    assert os.getxattr(file, "user.kumo.tag") == b"other"
    os.removexattr(file, "user.kumo.tag")
    assert os.getxattr(file, "user.kumo.tag") == b""


def test_other_attributes_are_kept(file: Path) -> None:
    os.setxattr(file, "user.note.$x", b"\0\xff")
    assert os.getxattr(file, "user.note.$x") == b"\0\xff"
    assert "user.note.$x" in os.listxattr(file)
    os.removexattr(file, "user.note.$x")
    assert errno_of(os.getxattr, file, "user.note.$x") == errno.ENODATA


def test_read_only_names(file: Path) -> None:
    assert errno_of(os.setxattr, file, "user.kumo.owner", b"somebody") == errno.EPERM
    assert errno_of(os.setxattr, file, "user.kumo.invented", b"x") == errno.EPERM
    os.setxattr(file, "user.kumo.owner", b"ada@example.org")


def test_what_cannot_be_kept(file: Path) -> None:
    assert errno_of(os.setxattr, file, "trusted.x", b"x") == errno.EOPNOTSUPP
    assert errno_of(os.setxattr, file, "user.big", bytes(20_000)) == errno.E2BIG
    for number in range(16):
        os.setxattr(file, f"user.x{number}", bytes(16_000))
    assert errno_of(os.setxattr, file, "user.x16", bytes(16_000)) == errno.ENOSPC


def tree(top: Path) -> dict[str, tuple[object, ...]]:
    found = {}
    for path in sorted(top.rglob("*")):
        status = path.lstat()
        body = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        note = os.getxattr(path, "user.note") if "user.note" in os.listxattr(path, follow_symlinks=False) else None
        # rsync does not keep the times of links, on any file system
        mtime_ns = status.st_mtime_ns if not path.is_symlink() else None
        found[str(path.relative_to(top))] = (status.st_mode, mtime_ns, body, note)
    return found


@pytest.mark.parametrize("command", [["cp", "-a"], ["rsync", "-aX"]], ids=lambda c: c[0])
def test_copying_both_ways_keeps_everything(folder: Path, tmp_path: Path, command: list[str]) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "a").write_text("a")
    (source / "sub" / "b").write_bytes(os.urandom(100_000))
    os.symlink("a", source / "link")
    os.setxattr(source / "a", "user.note", b"kept")
    os.utime(source / "a", ns=(10**18, 10**18 + 7))
    os.utime(source / "sub", ns=(10**18, 10**18 + 8))  # rsync takes a folder's times for equal within one second
    for origin, copy in (("source", folder / "in"), (folder / "in", tmp_path / "out"), (tmp_path / "out", folder / "again")):
        for _ in range(2 if command[0] == "rsync" else 1):
            subprocess.run([*command, f"{tmp_path / origin}/.", copy], check=True, capture_output=True)
    assert tree(folder / "in") == tree(source)
    assert tree(tmp_path / "out") == tree(source)
    assert tree(folder / "again") == tree(source)
