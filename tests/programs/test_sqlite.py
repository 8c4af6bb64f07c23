"""SQLite databases on the drive: several processes write at once, and the sqlite3 shell finds every row, and no damage."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

WRITERS = 3
TURNS = 15
MODES = ("delete", "wal")

WRITER = """
import sqlite3, sys
path, writer, turns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
database = sqlite3.connect(path, timeout=120, isolation_level=None)
seen = 0
for turn in range(turns):
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO rows VALUES (?, ?, ?)", (writer, turn, "x" * 2000))
    database.execute("COMMIT")
    count = database.execute("SELECT count(*) FROM rows").fetchone()[0]
    assert count > seen, f"{count} rows after {seen}: what was committed is not seen"
    seen = count
"""
INTERRUPTED = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], timeout=120, isolation_level=None)
database.execute("PRAGMA cache_size = 5")  # so that changes spill into the file before they are committed
database.execute("BEGIN IMMEDIATE")
database.executemany("INSERT INTO rows VALUES (99, ?, ?)", [(n, "y" * 2000) for n in range(100)])
print("written", flush=True)
time.sleep(600)
"""
ENDLESS = """
import itertools, sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=120, isolation_level=None)
for turn in itertools.count():
    database.execute("INSERT INTO rows VALUES (0, ?, ?)", (turn, "z" * 2000))
    print(turn, flush=True)
"""


def made_database(path: Path, mode: str) -> Path:
    """An empty database in a journal mode."""
    made = sqlite3.connect(path)
    assert made.execute(f"PRAGMA journal_mode = {mode}").fetchone() == (mode,)
    made.execute("CREATE TABLE rows (writer INTEGER, turn INTEGER, text TEXT)")
    made.commit()
    made.close()
    return path


@pytest.fixture(params=MODES)
def database(request: pytest.FixtureRequest, folder: Path) -> Path:
    """A database on the drive, in a journal mode."""
    return made_database(folder / "data.db", request.param)


def write_at_once(path: Path) -> None:
    """Several processes, each with its own transactions and its own reads between them."""
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, str(number), str(TURNS)]) for number in range(WRITERS)]
    assert [writer.wait(240) for writer in writers] == [0] * WRITERS


def test_concurrent_writers_lose_nothing(database: Path, tmp_path: Path, program: Callable[..., str]) -> None:
    write_at_once(database)
    look = "PRAGMA integrity_check; SELECT count(*), count(DISTINCT writer * 1000 + turn) FROM rows;"
    rows = WRITERS * TURNS
    assert program("sqlite3", database, look).split() == ["ok", f"{rows}|{rows}"]
    program("cp", database, tmp_path / "copy.db")
    assert program("sqlite3", tmp_path / "copy.db", look).split() == ["ok", f"{rows}|{rows}"]


def test_a_killed_transaction_is_rolled_back(database: Path, program: Callable[..., str]) -> None:
    write_at_once(database)
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED, str(database)], stdout=subprocess.PIPE) as victim:
        assert victim.stdout is not None and victim.stdout.readline() == b"written\n"
        victim.send_signal(signal.SIGKILL)
    look = "PRAGMA integrity_check; SELECT count(*), max(writer) FROM rows;"
    assert program("sqlite3", database, look).split() == ["ok", f"{WRITERS * TURNS}|{WRITERS - 1}"]


def test_vacuum_and_dump(database: Path, tmp_path: Path, program: Callable[..., str]) -> None:
    program("sqlite3", database, "INSERT INTO rows SELECT 1, value, hex(randomblob(500)) FROM generate_series(1, 500);")
    before = program("sqlite3", database, ".dump")
    program("sqlite3", database, "VACUUM;")
    assert program("sqlite3", database, "PRAGMA integrity_check;").strip() == "ok"
    program("sqlite3", tmp_path / "restored.db", stdin=before)
    assert program("sqlite3", tmp_path / "restored.db", ".dump") == program("sqlite3", database, ".dump") == before


@pytest.mark.parametrize("mode", MODES)
def test_what_was_committed_survives_the_end_of_the_mount(mounted, mode: str, program: Callable[..., str]) -> None:
    world, drive = mounted
    made_database(drive / "data.db", mode)
    command = [sys.executable, "-c", ENDLESS, str(drive / "data.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as writer:
        assert writer.stdout is not None
        committed = [int(writer.stdout.readline()) for _ in range(10)]
        os.kill(world.pid(), signal.SIGKILL)
        committed += [int(line) for line in writer.stdout]
        writer.wait(240)  # of an error, or of SIGBUS where it had the file in memory
    assert writer.returncode != 0
    world.mount()
    look = "PRAGMA integrity_check; SELECT count(*) FROM rows;"
    sound, rows = program("sqlite3", drive / "data.db", look).split()
    assert sound == "ok" and int(rows) in (len(committed), len(committed) + 1), "one more may have been under way"
