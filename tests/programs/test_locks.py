"""Locks between the processes of one mount: flock and fcntl, held, refused, waited for, and freed by a death."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HOLDER = """
import fcntl, os, sys
file = open(sys.argv[1], "r+b")
if sys.argv[2] == "flock":
    fcntl.flock(file, fcntl.LOCK_EX)
else:
    fcntl.lockf(file, fcntl.LOCK_EX, 10, 100)
print("held", flush=True)
sys.stdin.read()
"""
WAITER = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
print("waiting", flush=True)
fcntl.flock(file, fcntl.LOCK_EX) if sys.argv[2] == "flock" else fcntl.lockf(file, fcntl.LOCK_EX, 10, 100)
print("got it", flush=True)
"""
KINDS = ("flock", "fcntl")


@contextmanager
def started(script: str, path: Path, kind: str, first_line: bytes) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs a script and has printed its first line."""
    command = [sys.executable, "-c", script, str(path), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == first_line
            yield process
        finally:
            process.kill()


def is_free(path: Path, kind: str, start: int = 100) -> bool:
    """Whether this process could have the lock."""
    with open(path, "r+b") as file:
        try:
            if kind == "flock":
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, start)
        except BlockingIOError:
            return False
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_is_held_until_its_process_dies(folder: Path, kind: str) -> None:
    (folder / "file").write_bytes(bytes(200))
    with started(HOLDER, folder / "file", kind, b"held\n") as holder:
        assert not is_free(folder / "file", kind)
        holder.kill()
        holder.wait(60)
        assert is_free(folder / "file", kind)


@pytest.mark.parametrize("kind", KINDS)
def test_who_waits_gets_the_lock(folder: Path, kind: str) -> None:
    (folder / "file").write_bytes(bytes(200))
    with started(HOLDER, folder / "file", kind, b"held\n") as holder:
        with started(WAITER, folder / "file", kind, b"waiting\n") as waiter:
            assert holder.stdin is not None and waiter.stdout is not None
            os.set_blocking(waiter.stdout.fileno(), False)
            assert waiter.stdout.read() is None
            os.set_blocking(waiter.stdout.fileno(), True)
            holder.stdin.close()
            assert waiter.stdout.readline() == b"got it\n"


def test_fcntl_locks_are_of_ranges(folder: Path) -> None:
    (folder / "file").write_bytes(bytes(200))
    with started(HOLDER, folder / "file", "fcntl", b"held\n"):
        assert not is_free(folder / "file", "fcntl", start=109)
        assert is_free(folder / "file", "fcntl", start=110)


def test_a_lock_follows_the_file_through_a_rename(folder: Path) -> None:
    (folder / "file").touch()
    with started(HOLDER, folder / "file", "flock", b"held\n"):
        os.rename(folder / "file", folder / "renamed")
        assert not is_free(folder / "renamed", "flock")


def test_the_flock_program(folder: Path, program: Callable[..., str]) -> None:
    (folder / "counter").write_text("0")
    step = f"n=$(cat {folder}/counter); echo $((n + 1)) > {folder}/counter"
    command = ["flock", str(folder / "lock"), "sh", "-c", step]
    workers = [subprocess.Popen(["sh", "-c", 'for i in 1 2 3 4 5; do "$@" || exit 1; done', "sh", *command]) for _ in range(4)]
    assert [worker.wait(240) for worker in workers] == [0] * 4
    assert program("cat", folder / "counter") == "20\n"
