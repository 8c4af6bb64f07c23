"""A large file that is changed here and there: drive, store and a model have the same bytes after every change."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from kumofs.staging.part_plan import COPIED_MIN_BYTES

SEED = 20_261
ROUNDS = 6
MIB = 1 << 20
SIZE_BYTES = 24 * MIB
SIZE_MIN_BYTES = COPIED_MIN_BYTES + 6 * MIB


def write(file: Any, model: bytearray, offset: int, body: bytes) -> None:
    assert os.pwrite(file.fileno(), body, offset) == len(body)
    model.extend(bytes(max(0, offset + len(body) - len(model))))
    model[offset : offset + len(body)] = body


def truncate(file: Any, model: bytearray, size: int) -> None:
    os.ftruncate(file.fileno(), size)
    model.extend(bytes(max(0, size - len(model))))
    del model[size:]


def change(draw: random.Random, file: Any, model: bytearray) -> None:
    kind = draw.choice(["edit", "edit", "edit", "append", "beyond", "cut", "lengthen"])
    body = draw.randbytes(draw.choice([1, 4096, 50_000, 1_500_000]))
    if kind == "edit":
        write(file, model, draw.randrange(len(model)), body)
    elif kind == "append":
        write(file, model, len(model), body)
    elif kind == "beyond":
        write(file, model, len(model) + draw.randrange(MIB), body)
    elif kind == "cut":
        truncate(file, model, draw.randint(min(SIZE_MIN_BYTES, len(model)), len(model)))
    else:
        truncate(file, model, len(model) + draw.randrange(2 * MIB))


def look(draw: random.Random, file: Any, model: bytearray) -> None:
    """Read some of it from the drive, not from the kernel's pages."""
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    for _ in range(3):
        start = draw.randrange(len(model))
        assert os.pread(file.fileno(), 200_000, start) == model[start : start + 200_000]


@pytest.mark.timeout(600)
def test_whatever_is_changed_drive_and_store_have_the_bytes(mounted) -> None:
    world, drive = mounted
    draw, path = random.Random(SEED), drive / "large"
    model = bytearray(draw.randbytes(SIZE_BYTES))
    path.write_bytes(model)
    world.upload()
    for number in range(ROUNDS):
        with path.open("r+b", buffering=0) as file:
            for _ in range(draw.randint(1, 4)):
                change(draw, file, model)
                look(draw, file, model)
            if draw.random() < 0.5:
                os.fsync(file.fileno())
        world.upload()
        (key,) = world.stored_keys()
        assert world.store.get(key) == model, f"round {number}: what the store has"
        assert path.read_bytes() == model, f"round {number}: what the drive has"
    assert list(world.store.list_uploads()) == []
    assert not list(world.staging.rglob("*.upload"))
    world.umount()
    world.mount()
    assert path.read_bytes() == model
    assert "Traceback" not in world.log()
