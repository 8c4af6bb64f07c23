"""The embedded engine: SQLite in WAL mode, one table a collection, documents as JSON text.

    <collection>                (_id PRIMARY KEY, doc)        the documents; _id is an integer or text
    <collection>__<fields>      expression index              an index over scalar fields
    <collection>__<list>__rows  (fields..., _id PRIMARY KEY)  an index over a list field: one row per element

Safe for several processes on one host: every write is one `BEGIN IMMEDIATE` transaction that waits up to `BUSY_S` for
another writer. The threads of one process queue for a lock of their own, which is handed on at once, where SQLite would
look again after 1, 2, 5, 10, … ms. Commits are `synchronous=NORMAL` (they survive the process, not the power); `barrier`
makes all of them survive the power at once. Called from any thread: each thread has a connection of its own, and so has
each process after a fork.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kumofs.catalog import sqlite_tables as tables
from kumofs.catalog.port import ABSENT, PRESENT, Delete, Document, Id, Insert, Step, Update
from kumofs.errors import CatalogUnavailable, Duplicate

BUSY_S = 10.0
"""How long a call waits for another process's write; a write of ours takes well under a millisecond."""
IDS_PER_QUERY = 500
"""Ids of one SELECT ... IN; SQLite's bound on variables is 32,766, a smaller one keeps the statement cache useful."""


class SqliteEngine:
    """The document port over one SQLite file. The file is created 0600; its directory must exist."""

    quick = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._calls = 0
        self._idle = threading.Condition(self._lock)
        self._closed = False
        with self._call():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            tables.prepare(self._connection())

    def get(self, collection: str, id: Id) -> Document | None:
        """The document, or None."""
        with self._call():
            row = self._connection().execute(f"SELECT doc FROM {tables.named(collection)} WHERE _id = ?", (id,)).fetchone()
        return None if row is None else json.loads(row[0])

    def get_many(self, collection: str, ids: Iterable[Id]) -> dict[Id, Document]:
        """Those of the documents that exist, by id."""
        wanted = list(ids)
        found: dict[Id, Document] = {}
        for start in range(0, len(wanted), IDS_PER_QUERY):
            some = wanted[start : start + IDS_PER_QUERY]
            marks = ",".join("?" * len(some))
            with self._call():
                rows = self._connection().execute(f"SELECT _id, doc FROM {tables.named(collection)} WHERE _id IN ({marks})", some)
                found.update((id, json.loads(doc)) for id, doc in rows)
        return found

    def find(
        self, collection: str, equal: Mapping[str, Any], above: tuple[str, int] | None = None, limit: int = 1000
    ) -> list[Document]:
        """Documents by a declared index; ValueError where none covers the fields."""
        query, values = tables.find_query(collection, equal, above)
        with self._call():
            rows = self._connection().execute(query, (*values, limit))
            return [json.loads(doc) for (doc,) in rows]

    def scan(self, collection: str, after: Id | None = None, before: Id | None = None, limit: int = 1000) -> list[Document]:
        """Documents with after < _id < before, in `_id` order."""
        bounds = [("_id > ?", after), ("_id < ?", before)]
        where = " AND ".join(text for text, value in bounds if value is not None)
        values = [value for _, value in bounds if value is not None]
        query = f"SELECT doc FROM {tables.named(collection)} {'WHERE ' + where if where else ''} ORDER BY _id LIMIT ?"
        with self._call():
            return [json.loads(doc) for (doc,) in self._connection().execute(query, (*values, limit))]

    def scan_any(self, collection: str, ranges: Sequence[tuple[Id, Id]], limit: int = 1000) -> list[Document]:
        """Documents of any of the ranges, in no order."""
        found = {doc["_id"]: doc for after, before in ranges for doc in self.scan(collection, after, before, limit)}
        return list(found.values())[:limit]

    def insert(self, collection: str, doc: Document, stamp: tuple[str, ...] = ()) -> None:
        """Add a document, or raise Duplicate."""
        self.batch([Insert(collection, doc, stamp)])

    def update(
        self,
        collection: str,
        id: Id,
        where: Mapping[str, Any] | None = None,
        set: Mapping[str, Any] | None = None,
        unset: Sequence[str] = (),
        inc: Mapping[str, int] | None = None,
        stamp: tuple[str, ...] = (),
    ) -> Document | None:
        """Compare-and-swap: the document after the change, or None."""
        with self._call(), self._transaction() as connection:
            return self._update(connection, Update(collection, id, where or {}, set or {}, tuple(unset), inc or {}, stamp))

    def delete(self, collection: str, id: Id, where: Mapping[str, Any] | None = None) -> Document | None:
        """Compare-and-delete: the document that was removed, or None."""
        with self._call(), self._transaction() as connection:
            return self._delete(connection, Delete(collection, id, where or {}))

    def batch(self, steps: Sequence[Step]) -> int:
        """Do the steps in order in one transaction; ends at the first Duplicate, with the steps before it done."""
        if not steps:
            return 0
        matched = 0
        duplicate: Duplicate | None = None
        with self._call(), self._transaction() as connection:
            for position, step in enumerate(steps):
                try:
                    matched += self._do(connection, step)
                except sqlite3.IntegrityError:
                    id = step.doc["_id"] if isinstance(step, Insert) else step.id
                    duplicate = Duplicate(f"{step.collection} {id!r}", position)
                    break
        if duplicate is not None:
            raise duplicate
        return matched

    def now_us(self) -> int:
        """This host's clock, microseconds since the epoch."""
        return time.time_ns() // 1000

    def barrier(self) -> None:
        """Make every commit before now survive a power cut."""
        # in WAL mode a commit with synchronous=FULL fsyncs the log, and with it all commits that are in it already
        with self._call():
            connection = self._connection()
            connection.execute("PRAGMA synchronous=FULL")
            try:
                with self._transaction():
                    connection.execute("UPDATE kumofs_barrier SET count = count + 1")
            finally:
                connection.execute("PRAGMA synchronous=NORMAL")

    def close(self) -> None:
        """Close the connections of every thread, once no call is under way: SQLite does not survive it before.

        A call that takes longer than any may keeps all of them open until the process ends.
        """
        with self._idle:
            self._closed = True
            if not self._idle.wait_for(lambda: not self._calls, timeout=2 * BUSY_S):
                return
            connections, self._open = self._open, []
        for connection in connections:
            connection.close()

    def _connection(self) -> sqlite3.Connection:
        held: tuple[int, sqlite3.Connection] | None = getattr(self._local, "held", None)
        if held is not None and held[0] == os.getpid():
            return held[1]
        connection = sqlite3.connect(
            self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        tables.configure(connection)
        self._local.held = (os.getpid(), connection)
        with self._lock:
            self._open.append(connection)
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        if not self._writing.acquire(timeout=BUSY_S):
            raise CatalogUnavailable(f"the catalog {self._path} was being written to by this process for over {BUSY_S:g} s")
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        finally:
            self._writing.release()

    @contextmanager
    def _call(self) -> Iterator[None]:
        """A call of the port: counted, so that `close` waits for it, and with SQLite's exceptions in the words of `errors`."""
        with self._lock:
            if self._closed:
                raise CatalogUnavailable("the catalog is closed")
            self._calls += 1
        try:
            yield
        except sqlite3.IntegrityError as problem:
            raise Duplicate(str(problem)) from problem
        except (sqlite3.Error, OSError) as problem:
            raise CatalogUnavailable(f"the catalog {self._path} cannot be used: {problem}") from problem
        finally:
            with self._idle:
                self._calls -= 1
                if self._closed and not self._calls:
                    self._idle.notify_all()

    def _do(self, connection: sqlite3.Connection, step: Step) -> int:
        match step:
            case Insert():
                self._insert(connection, step)
                return 0
            case Update():
                return int(self._update(connection, step) is not None)
            case Delete():
                return int(self._delete(connection, step) is not None)

    def _insert(self, connection: sqlite3.Connection, step: Insert) -> None:
        doc = {**step.doc, **dict.fromkeys(step.stamp, self.now_us())}
        connection.execute("SAVEPOINT step")  # a unique index may refuse after the row is in
        try:
            connection.execute(f"INSERT INTO {tables.named(step.collection)} VALUES (?, ?)", (doc["_id"], encoded(doc)))
            tables.add_rows(connection, step.collection, doc)
        except sqlite3.IntegrityError:
            connection.execute("ROLLBACK TO step")
            raise
        finally:
            connection.execute("RELEASE step")

    def _update(self, connection: sqlite3.Connection, step: Update) -> Document | None:
        doc = self._matching(connection, step.collection, step.id, step.where)
        if doc is None:
            return None
        changed = {**doc, **step.set, **dict.fromkeys(step.stamp, self.now_us())}
        for field, amount in step.inc.items():
            changed[field] = changed.get(field, 0) + amount
        for field in step.unset:
            changed.pop(field, None)
        connection.execute(f"UPDATE {tables.named(step.collection)} SET doc = ? WHERE _id = ?", (encoded(changed), step.id))
        tables.replace_rows(connection, step.collection, doc, changed)
        return changed

    def _delete(self, connection: sqlite3.Connection, step: Delete) -> Document | None:
        doc = self._matching(connection, step.collection, step.id, step.where)
        if doc is not None:
            connection.execute(f"DELETE FROM {tables.named(step.collection)} WHERE _id = ?", (step.id,))
            tables.drop_rows(connection, step.collection, doc)
        return doc

    def _matching(self, connection: sqlite3.Connection, collection: str, id: Id, where: Mapping[str, Any]) -> Document | None:
        row = connection.execute(f"SELECT doc FROM {tables.named(collection)} WHERE _id = ?", (id,)).fetchone()
        if row is None:
            return None
        doc: Document = json.loads(row[0])
        return doc if all(holds(doc, field, value) for field, value in where.items()) else None


def holds(doc: Document, field: str, value: Any) -> bool:
    """Whether one condition of a `where` is true of a document."""
    if value is PRESENT:
        return field in doc
    if value is ABSENT:
        return field not in doc
    return field in doc and type(doc[field]) is type(value) and bool(doc[field] == value)


def encoded(doc: Document) -> str:
    """A document as JSON text; characters beyond ASCII as they are."""
    return json.dumps(doc, ensure_ascii=False, separators=(",", ":"))
