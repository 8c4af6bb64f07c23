"""A random exerciser where fsx does not reach: several handles on one file, appending ones and mappings among them, renames
and remounts in between, against a model in memory. Seeded: a failure can be repeated."""

from __future__ import annotations

import mmap
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

STEPS = 400
SIZE_MAX = 300_000
PIECE_MAX = 40_000
HANDLES_MAX = 6
SEEDS = range(20) if os.environ.get("KUMOFS_TEST_LONG") else range(3)


class Exerciser:
    """One file, its handles, and what has to be in it."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.random = random.Random(seed)
        self.body = bytearray()
        self.handles: list[tuple[int, bool]] = []
        path.touch()

    def step(self) -> str:
        verbs: list[Callable[[], None]] = [
            self.open, self.write, self.write, self.write, self.read, self.read,
            self.cut, self.map, self.close, self.rename, self.sync,
        ]  # fmt: skip
        verb = self.random.choice(verbs)
        verb()
        return verb.__name__

    def open(self) -> None:
        if len(self.handles) >= HANDLES_MAX:
            self.close()
        appends = self.random.random() < 0.3
        self.handles.append((os.open(self.path, os.O_RDWR | (os.O_APPEND if appends else 0)), appends))

    def any(self) -> tuple[int, bool]:
        if not self.handles:
            self.open()
        return self.random.choice(self.handles)

    def write(self) -> None:
        fd, appends = self.any()
        piece = self.random.randbytes(self.random.randrange(1, PIECE_MAX))
        if appends:
            offset = len(self.body)
            os.write(fd, piece)
        else:
            offset = self.random.randrange(SIZE_MAX)
            os.pwrite(fd, piece, offset)
        self.body.extend(bytes(max(0, offset - len(self.body))))
        self.body[offset : offset + len(piece)] = piece

    def read(self) -> None:
        fd, _ = self.any()
        offset = self.random.randrange(SIZE_MAX)
        length = self.random.randrange(PIECE_MAX)
        assert os.pread(fd, length, offset) == bytes(self.body[offset : offset + length])
        assert os.fstat(fd).st_size == len(self.body)

    def cut(self) -> None:
        size = self.random.randrange(SIZE_MAX)
        if self.random.random() < 0.5:
            os.ftruncate(self.any()[0], size)
        else:
            os.truncate(self.path, size)
        self.body.extend(bytes(max(0, size - len(self.body))))
        del self.body[size:]

    def map(self) -> None:
        fd, _ = self.any()
        if not self.body:
            return
        with mmap.mmap(fd, len(self.body)) as memory:
            start = self.random.randrange(len(self.body))
            piece = self.random.randbytes(min(self.random.randrange(1, PIECE_MAX), len(self.body) - start))
            assert memory[:] == bytes(self.body)
            memory[start : start + len(piece)] = piece
            memory.flush()
        self.body[start : start + len(piece)] = piece

    def close(self) -> None:
        if self.handles:
            fd, _ = self.handles.pop(self.random.randrange(len(self.handles)))
            os.close(fd)

    def close_all(self) -> None:
        while self.handles:
            self.close()

    def rename(self) -> None:
        target = self.path.with_name(f"file {self.random.randrange(4)}")
        os.rename(self.path, target)
        self.path = target

    def sync(self) -> None:
        os.fsync(self.any()[0])

    def check(self) -> None:
        assert self.path.read_bytes() == bytes(self.body)
        assert os.listdir(self.path.parent) == [self.path.name]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_many_handles_agree_with_the_model(folder: Path, seed: int) -> None:
    run(Exerciser(folder / "file", seed))


def run(exerciser: Exerciser) -> None:
    done: list[str] = []
    try:
        for _ in range(STEPS):
            done.append(exerciser.step())
    except (AssertionError, OSError) as problem:
        raise AssertionError(f"step {len(done)}, after {done[-10:]}: {problem}") from problem
    finally:
        exerciser.close_all()
    exerciser.check()


@pytest.mark.timeout(600)
def test_remounts_in_between_change_nothing(mounted) -> None:
    world, drive = mounted
    (drive / "d").mkdir()
    exerciser = Exerciser(drive / "d" / "file", 1000)
    for _ in range(3):
        run(exerciser)
        world.umount()
        world.mount()
        exerciser.check()
