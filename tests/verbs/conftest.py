"""One mount that shows owners as they are stored, and what the tests of the verbs have in common."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

NOBODY = 65534
"""A user that owns nothing."""


@pytest.fixture(scope="session")
def stored(new_session_world) -> Iterator[Path]:
    """A drive mounted with --allow-other --ownership stored."""
    if os.getuid() != 0:
        pytest.skip("needs root: the tests become other users")
    world = new_session_world("verbs")
    drive = world.mount("drive", "--allow-other", "--ownership", "stored")
    drive.chmod(0o755)
    yield drive
    world.umount()
    assert "Traceback" not in world.log()


@pytest.fixture
def place(stored: Path) -> Iterator[Path]:
    """A fresh folder that everybody may read, and the working directory of the test."""
    path = stored / os.urandom(6).hex()
    path.mkdir(mode=0o755)
    before, mask = os.getcwd(), os.umask(0)
    os.chdir(path)
    yield path
    os.chdir(before)
    os.umask(mask)


@pytest.fixture
def refused() -> Callable[[int], AbstractContextManager[None]]:
    """`with refused(errno.ENOENT):` what is in it must fail just so."""

    @contextmanager
    def check(*codes: int) -> Iterator[None]:
        with pytest.raises(OSError) as caught:
            yield
        assert caught.value.errno in codes, f"{errno.errorcode[caught.value.errno or 0]}: {caught.value}"

    return check


@pytest.fixture
def as_user(place: Path) -> Callable[..., int]:
    """Do something as another user, in a process of its own: 0, or the errno it failed with. Paths are relative."""

    def run(call: Callable[[], object], uid: int = NOBODY, gid: int = NOBODY, groups: tuple[int, ...] = ()) -> int:
        child = os.fork()
        if child == 0:
            code = 255
            try:
                os.setgroups(groups)
                os.setgid(gid)
                os.setuid(uid)
                call()
                code = 0
            except OSError as problem:
                code = problem.errno or 254
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    return run


@pytest.fixture
def moves() -> Callable[..., AbstractContextManager[None]]:
    """`with moves(path, "ctime"):` what is in it moves those times of the path, and of mtime and ctime no other."""

    @contextmanager
    def check(path: str | Path, *names: str) -> Iterator[None]:
        before = os.lstat(path)
        yield
        after = os.lstat(path)
        moved = {name for name in ("mtime", "ctime") if getattr(after, f"st_{name}_ns") > getattr(before, f"st_{name}_ns")}
        assert moved == set(names)

    return check
