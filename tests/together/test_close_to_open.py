"""Close-to-open: what one mount has closed, the other reads when it opens, at once, whatever it has cached."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from tests.together.conftest import TwoMounts

ROUNDS = 200
SIZES = (5, 9000, 1, 300_000, 4096, 0, 4097, 70)


def body(turn: int) -> bytes:
    return bytes([turn % 251]) * SIZES[turn % len(SIZES)]


def test_what_is_closed_is_read_by_who_opens(two_mounts: TwoMounts) -> None:
    one, two = two_mounts.one / "f", two_mounts.two / "f"
    one.write_bytes(b"begin")
    two_mounts.seen("the file", two.exists)
    for turn in range(ROUNDS):
        writer, reader = (one, two) if turn % 3 else (two, one)
        assert writer.stat().st_size >= 0 and reader.stat().st_size >= 0  # attributes are cached on both sides
        writer.write_bytes(body(turn))
        with open(reader, "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            assert (status.st_size, file.read()) == (len(body(turn)), body(turn)), f"round {turn}"


def test_memory_maps_too(two_mounts: TwoMounts) -> None:
    one, two = two_mounts.one / "f", two_mounts.two / "f"
    one.write_bytes(b"begin")
    two_mounts.seen("the file", two.exists)
    for turn in range(ROUNDS // 4):
        wanted = body(turn) or b"some"
        one.write_bytes(wanted)
        with open(two, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            assert mapped[:] == wanted, f"round {turn}"


def test_appending_in_turn_loses_nothing(two_mounts: TwoMounts) -> None:
    one, two = two_mounts.one / "log", two_mounts.two / "log"
    one.touch()
    two_mounts.seen("the file", two.exists)
    lines = []
    for turn in range(60):
        lines.append(f"line {turn} {'x' * (turn * 37 % 200)}\n".encode())
        fd = os.open(one if turn % 2 else two, os.O_WRONLY | os.O_APPEND)  # as a shell's >> does: it never asks for the size
        os.write(fd, lines[-1])
        os.close(fd)
    assert one.read_bytes() == b"".join(lines)
    assert two.read_bytes() == b"".join(lines)


def test_a_name_that_was_replaced_opens_what_replaced_it(two_mounts: TwoMounts) -> None:
    one, two = two_mounts.one, two_mounts.two
    (one / "f").write_text("begin")
    two_mounts.seen("the file", lambda: (two / "f").read_text() == "begin")
    for turn in range(30):
        (one / "f.tmp").write_text(f"version {turn}")
        os.rename(one / "f.tmp", one / "f")
        assert (two / "f").read_text() == f"version {turn}"


def test_a_name_that_was_removed_does_not_open(two_mounts: TwoMounts) -> None:
    one, two = two_mounts.one, two_mounts.two
    for turn in range(10):
        (one / f"{turn}").write_text("text")
        two_mounts.seen("the file", lambda turn=turn: (two / f"{turn}").read_text() == "text")
        (one / f"{turn}").unlink()
        with pytest.raises(FileNotFoundError):
            Path(two / f"{turn}").read_text()
