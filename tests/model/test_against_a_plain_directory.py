"""A state machine drives a real mount and a plain directory with the same operations, and compares what comes of it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

NAMES = st.sampled_from(["a", "b", "c", "日 本", "d.txt"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
SIZES = st.sampled_from([0, 1, 100, 4096, 70_000])


class SameAsADisk(RuleBasedStateMachine):
    """Each rule does one thing in both places; answers, errnos and trees must agree."""

    top: Path

    def __init__(self) -> None:
        super().__init__()
        self.mount = Path(tempfile.mkdtemp(dir=self.top))
        self.plain = Path(tempfile.mkdtemp())

    def both(self, call: Callable[..., object], *paths: str) -> None:
        answers = []
        for top in (self.mount, self.plain):
            try:
                answers.append(call(*(top / path for path in paths)))
            except OSError as problem:
                answers.append(problem.errno)
        assert answers[0] == answers[1], f"{call.__name__} {paths}: {answers}"

    @rule(path=PATHS, size=SIZES, offset=SIZES)
    def write(self, path: str, size: int, offset: int) -> None:
        def write(where: Path) -> None:
            fd = os.open(where, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                os.pwrite(fd, b"x" * size, offset)
            finally:
                os.close(fd)

        self.both(write, path)

    @rule(path=PATHS, size=SIZES)
    def append(self, path: str, size: int) -> None:
        def append(where: Path) -> None:
            with open(where, "ab") as file:
                file.write(b"y" * size)

        self.both(append, path)

    @rule(path=PATHS, size=SIZES)
    def truncate(self, path: str, size: int) -> None:
        self.both(lambda where: os.truncate(where, size), path)

    @rule(path=PATHS)
    def mkdir(self, path: str) -> None:
        self.both(os.mkdir, path)

    @rule(path=PATHS)
    def rmdir(self, path: str) -> None:
        self.both(os.rmdir, path)

    @rule(path=PATHS)
    def unlink(self, path: str) -> None:
        self.both(os.unlink, path)

    @rule(old=PATHS, new=PATHS)
    def rename(self, old: str, new: str) -> None:
        self.both(os.rename, old, new)

    @rule(old=PATHS, new=PATHS)
    def link(self, old: str, new: str) -> None:
        self.both(lambda a, b: os.link(a, b, follow_symlinks=False), old, new)

    @rule(path=PATHS, points_to=PATHS)
    def symlink(self, path: str, points_to: str) -> None:
        self.both(lambda where: os.symlink(points_to, where), path)

    @rule(path=PATHS, mode=st.sampled_from([0o600, 0o644, 0o755, 0o4755, 0o2755]))
    def chmod(self, path: str, mode: int) -> None:
        self.both(lambda where: os.chmod(where, mode), path)

    @rule(path=PATHS, owner=st.sampled_from([0, 1000]))
    def chown(self, path: str, owner: int) -> None:
        self.both(lambda where: os.chown(where, owner, owner), path)

    @rule(path=PATHS, time_ns=st.integers(0, 2**60))
    def utimens(self, path: str, time_ns: int) -> None:
        self.both(lambda where: os.utime(where, ns=(time_ns, time_ns + 1)), path)

    @rule(path=PATHS, name=st.sampled_from(["user.a", "user.b"]), value=st.binary(max_size=20))
    def setxattr(self, path: str, name: str, value: bytes) -> None:
        self.both(lambda where: os.setxattr(where, name, value), path)

    @rule(path=PATHS, name=st.sampled_from(["user.a", "user.b"]))
    def removexattr(self, path: str, name: str) -> None:
        self.both(lambda where: os.removexattr(where, name), path)

    @rule()
    def compare(self) -> None:
        assert tree(self.mount) == tree(self.plain)

    def teardown(self) -> None:
        try:
            assert tree(self.mount) == tree(self.plain)
        finally:
            shutil.rmtree(self.mount)
            shutil.rmtree(self.plain)


def tree(top: Path) -> dict[str, object]:
    """What is there: kinds, modes, owners, link counts of files, bytes, targets, attributes."""
    found: dict[str, object] = {}
    for directory, folders, files in os.walk(top):
        for name in folders + files:
            path = Path(directory, name)
            status = path.lstat()
            kind = stat.S_IFMT(status.st_mode)
            links = status.st_nlink if kind != stat.S_IFDIR else None
            size = status.st_size if kind != stat.S_IFDIR else None
            body = path.read_bytes() if kind == stat.S_IFREG else os.readlink(path) if kind == stat.S_IFLNK else None
            shown = [] if kind == stat.S_IFLNK else os.listxattr(path)
            kept = {n: os.getxattr(path, n) for n in shown if not n.startswith("user.kumo.")}
            about = (status.st_mode, status.st_uid, status.st_gid, links, size, body, kept)
            found[str(path.relative_to(top))] = about
    return found


@pytest.mark.timeout(600)
def test_the_drive_behaves_as_a_disk_does(new_session_world) -> None:
    probe = tempfile.NamedTemporaryFile()
    try:
        os.setxattr(probe.name, "user.a", b"")
    except OSError:
        pytest.skip("the plain disk keeps no extended attributes to compare with")
    world = new_session_world("model")
    SameAsADisk.top = world.mount("drive", "--ownership", "stored")
    run_state_machine_as_test(
        SameAsADisk,
        settings=settings(
            max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
        ),
    )
    world.umount()


def test_fsx_like_random_writes_keep_one_file_right(folder: Path) -> None:
    import random

    chance, size_max = random.Random(1), 300_000
    image = bytearray()
    with open(folder / "f", "w+b", buffering=0) as file:
        for _ in range(1500):
            action, offset, length = chance.randrange(5), chance.randrange(size_max), chance.randrange(1, 9000)
            if action in (0, 1):
                body = chance.randbytes(length)
                image.extend(bytes(max(0, offset + length - len(image))))
                image[offset : offset + length] = body
                os.pwrite(file.fileno(), body, offset)
            elif action == 2:
                assert os.pread(file.fileno(), length, offset) == bytes(image[offset : offset + length])
            elif action == 3:
                del image[offset:]
                image.extend(bytes(max(0, offset - len(image))))
                os.ftruncate(file.fileno(), offset)
            elif chance.randrange(10) == 0:
                os.fsync(file.fileno())
    assert (folder / "f").read_bytes() == bytes(image)
    assert subprocess.run(["cmp", "-s", folder / "f", folder / "f"]).returncode == 0
