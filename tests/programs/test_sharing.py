"""What programs do with one file together: mapped memory, appends, a socket, a log that is followed and rotated."""

from __future__ import annotations

import mmap
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

APPENDER = """
import os, sys
log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
for _ in range(200):
    os.write(log, sys.argv[2].encode() * 50 + b"\\n")
"""
COUNTER = """
import fcntl, mmap, sys
with open(sys.argv[1], "r+b") as file, mmap.mmap(file.fileno(), 4096) as memory:
    for _ in range(500):
        fcntl.flock(file, fcntl.LOCK_EX)
        memory[:4] = (int.from_bytes(memory[:4], "big") + 1).to_bytes(4, "big")
        fcntl.flock(file, fcntl.LOCK_UN)
"""


def run_at_once(script: str, path: Path, words: str) -> None:
    """One process for each word."""
    processes = [subprocess.Popen([sys.executable, "-c", script, str(path), word]) for word in words]
    assert [process.wait(240) for process in processes] == [0] * len(words)


def test_two_processes_append_whole_lines(folder: Path) -> None:
    (folder / "log").touch()
    run_at_once(APPENDER, folder / "log", "ab")
    assert sorted((folder / "log").read_text().splitlines()) == ["a" * 50] * 200 + ["b" * 50] * 200


def test_two_processes_share_a_memory_map(folder: Path) -> None:
    (folder / "memory").write_bytes(bytes(4096))
    run_at_once(COUNTER, folder / "memory", "ab")
    assert int.from_bytes((folder / "memory").read_bytes()[:4], "big") == 1000


def test_a_memory_map_outlives_its_file_descriptor(folder: Path) -> None:
    with open(folder / "file", "w+b") as file:
        file.truncate(10_000)
        memory = mmap.mmap(file.fileno(), 10_000)
    with memory:
        memory[5000:5003] = b"map"
    assert (folder / "file").read_bytes() == bytes(5000) + b"map" + bytes(4997)


def test_direct_reads_and_writes(folder: Path) -> None:
    with mmap.mmap(-1, 8192) as body:  # aligned, as O_DIRECT wants it
        body.write(b"direct!!" * 1024)
        file = os.open(folder / "file", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
        assert os.write(file, body) == 8192
        body[:] = bytes(8192)
        assert os.preadv(file, [body], 0) == 8192
        os.close(file)
        assert body[:] == b"direct!!" * 1024 == (folder / "file").read_bytes()


def test_a_socket_in_the_drive(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)  # a socket's address is short
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind("socket")
        server.listen()
        client.connect("socket")
        with server.accept()[0] as accepted:
            client.send(b"hello")
            assert accepted.recv(5) == b"hello"


def test_a_log_is_followed_through_its_rotation(folder: Path) -> None:
    (folder / "log").write_text("ready\n")
    command = ["tail", "-F", "-n", "1", str(folder / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tail:
        try:
            assert tail.stdout is not None and tail.stdout.readline() == b"ready\n"
            with open(folder / "log", "a") as log:
                log.write("one\n")
            assert tail.stdout.readline() == b"one\n"
            os.rename(folder / "log", folder / "log.1")
            (folder / "log").write_text("two\n")
            assert tail.stdout.readline() == b"two\n"
        finally:
            tail.kill()
