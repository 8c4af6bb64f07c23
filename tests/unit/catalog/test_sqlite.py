"""What is true of the embedded engine beyond the port: indexes are used, processes share it, its file is private."""

from __future__ import annotations

import itertools
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kumofs.catalog import open_engine, sqlite_tables
from kumofs.catalog.schema import COLLECTIONS
from kumofs.catalog.sqlite import SqliteEngine
from kumofs.errors import CatalogUnavailable, ConfigError

FINDS = [
    (collection, dict.fromkeys(index.fields[:count], 1), (index.fields[count], 0) if above else None)
    for collection, indexes in COLLECTIONS.items()
    for index in indexes
    for count, above in [(len(index.fields), False), (len(index.fields) - 1, True)]
    if count > 0
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "c.db"


@pytest.mark.parametrize(("collection", "equal", "above"), FINDS)
def test_no_find_reads_a_whole_collection(path: Path, collection, equal, above) -> None:
    SqliteEngine(path).close()
    query, values = sqlite_tables.find_query(collection, equal, above)
    plan = sqlite3.connect(path).execute(f"EXPLAIN QUERY PLAN {query}", (*values, 10)).fetchall()
    assert all("SCAN" not in step[3] for step in plan), plan


@pytest.mark.parametrize("where", ["_id = 1", "_id > 1 AND _id < 5 ORDER BY _id", "_id IN (1, 2)"])
def test_reading_by_id_uses_the_key(path: Path, where: str) -> None:
    SqliteEngine(path).close()
    plan = sqlite3.connect(path).execute(f"EXPLAIN QUERY PLAN SELECT doc FROM inodes WHERE {where}").fetchall()
    assert all("SCAN" not in step[3] and "TEMP B-TREE" not in step[3] for step in plan), plan


def test_the_file_is_private(path: Path) -> None:
    SqliteEngine(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


COUNT_UP = """
import sys
from pathlib import Path
from kumofs.catalog.sqlite import SqliteEngine
engine = SqliteEngine(Path(sys.argv[1]))
for _ in range(100):
    engine.update("counters", "n", inc={"next": 1})
"""


def test_processes_count_together(path: Path) -> None:
    engine = SqliteEngine(path)
    engine.insert("counters", {"_id": "n", "next": 0})
    workers = [subprocess.Popen([sys.executable, "-c", COUNT_UP, path]) for _ in range(3)]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    assert engine.get("counters", "n") == {"_id": "n", "next": 300}


def test_another_format_is_refused(path: Path) -> None:
    SqliteEngine(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    with pytest.raises(CatalogUnavailable, match="format 99"):
        SqliteEngine(path)


def test_a_closed_engine_says_so(path: Path) -> None:
    engine = SqliteEngine(path)
    engine.close()
    with pytest.raises(CatalogUnavailable):
        engine.get("inodes", 1)


def test_closing_waits_for_the_calls_that_are_under_way(path: Path) -> None:
    for number in range(20):
        engine = SqliteEngine(path.with_name(f"{number}.db"))
        engine.insert("counters", {"_id": "n", "next": 0})
        done: list[int] = []
        workers = [threading.Thread(target=count_until_closed, args=(engine, done)) for _ in range(4)]
        for worker in workers:
            worker.start()
        time.sleep(0.01)
        engine.close()
        for worker in workers:
            worker.join(30)
        assert len(done) == 4
        assert SqliteEngine(path.with_name(f"{number}.db")).get("counters", "n") == {"_id": "n", "next": sum(done)}


def count_until_closed(engine: SqliteEngine, done: list[int]) -> None:
    for times in itertools.count():
        try:
            engine.update("counters", "n", inc={"next": 1})
        except CatalogUnavailable:
            done.append(times)
            return


@pytest.mark.parametrize("url", ["sqlite://relative.db", "postgres://x/y", "mongodb://host", ""])
def test_a_wrong_url_is_a_setting_that_is_wrong(url: str) -> None:
    with pytest.raises(ConfigError):
        open_engine(url)
