"""The production engine: MongoDB through pymongo, one collection of the database for each of the schema's.

Needs nothing but atomic single documents, so it runs on a standalone server, a replica set, a sharded cluster, DocumentDB.

- Writes are journalled and acknowledged by the majority before a call returns, so `barrier` has nothing left to do. How a
  write is made certain although its answer was lost is `mongo_certain`'s affair.
- Reads ask the primary, with the read concern `local` unless the URL names another: it is what every server has, and shows
  the newest state, so that a compare-and-swap seldom misses. What was read there and is then rolled back by a failover cannot
  be built upon: a majority write is answered only when the majority has all that came before it on that primary.
- Every call ends within `DEADLINE_S`, whatever the network does; the requests it makes share that time, and servers that
  know `maxTimeMS` let go of a request whose time is over, too. No answer at all is CatalogUnavailable.
- TLS, credentials, replica sets, compression and so on are the URL's.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import pymongo
from pymongo import ASCENDING, MongoClient, ReadPreference, WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure, PyMongoError

from kumofs.catalog.mongo_certain import CertainWrites, until_certain
from kumofs.catalog.mongo_clock import ServerClock
from kumofs.catalog.mongo_errors import errors, wrong_url
from kumofs.catalog.mongo_steps import plain
from kumofs.catalog.port import Delete, Document, Id, Insert, Step, Update
from kumofs.catalog.schema import COLLECTIONS
from kumofs.errors import Duplicate

DEADLINE_S = 20.0
"""Bound of one call: connecting, choosing a server and trying again included."""
CLOCK_S = 2.0
"""Bound of asking the server for its time, which a call does on its way once a minute."""
POOL_MAX = 80
"""Connections: one for each of 64 threads and some for the loop's own calls."""
IDLE_MAX_MS = 60_000
"""Idle connections are closed before a router on the way forgets them without a word."""
UNKNOWN_COMMAND = 59
T = TypeVar("T")


def open_mongo(url: str, deadline_s: float = DEADLINE_S) -> MongoEngine:
    """The engine of a `mongodb://` URL that names a database. ConfigError, CatalogUnavailable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # an option that pymongo leaves out of account: it may be `tls`
            database = client_of(url, deadline_s).get_default_database()
    except (ConfigurationError, InvalidURI, ValueError, TypeError, OSError, UserWarning) as problem:
        raise wrong_url(problem, url) from None  # the driver's own text may hold the password
    return MongoEngine(database, urlsplit(url).netloc.rpartition("@")[2], deadline_s)


def client_of(url: str, deadline_s: float) -> MongoClient[Document]:
    """The client of a URL; of what may be tuned, the URL's own options go first."""
    deadline_ms = int(deadline_s * 1000)
    tuned: dict[str, Any] = {"maxPoolSize": POOL_MAX, "maxIdleTimeMS": IDLE_MAX_MS, "appName": "kumofs"}
    given = {name.lower() for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    return MongoClient(
        url,
        timeoutMS=deadline_ms,
        serverSelectionTimeoutMS=deadline_ms,
        connectTimeoutMS=deadline_ms,
        socketTimeoutMS=deadline_ms,
        tz_aware=True,
        **{name: value for name, value in tuned.items() if name.lower() not in given},
    )


class MongoEngine:
    """The document port over one MongoDB database; `hosts` is what messages call the server."""

    quick = False

    def __init__(self, database: Database[Document], hosts: str = "MongoDB", deadline_s: float = DEADLINE_S) -> None:
        self._database = database
        self._hosts = hosts
        self._deadline_s = deadline_s
        self._clock = ServerClock(self._ask_time)
        self._certain = CertainWrites(self._of, self._clock.now_us, deadline_s)
        self.prepare()

    def prepare(self) -> None:
        """Make the declared indexes that are not there yet; cheap where they all are."""
        with errors(self._hosts), pymongo.timeout(self._deadline_s):
            for name, indexes in COLLECTIONS.items():
                there = self._database[name].index_information().values() if indexes else ()
                made = [[field for field, _ in index["key"]] for index in there]
                for index in indexes:
                    if list(index.fields) not in made:
                        keys = [(field, ASCENDING) for field in index.fields]
                        self._database[name].create_index(keys, unique=index.unique)
            self._clock.refresh()

    def get(self, collection: str, id: Id) -> Document | None:
        """The document, or None."""
        found = self._read(lambda: self._of(collection).find_one({"_id": id}))
        return None if found is None else plain(found)

    def get_many(self, collection: str, ids: Iterable[Id]) -> dict[Id, Document]:
        """Those of the documents that exist, by id."""
        wanted = list(ids)
        if not wanted:
            return {}
        found = self._read(lambda: list(self._of(collection).find({"_id": {"$in": wanted}}, batch_size=len(wanted) + 1)))
        return {doc["_id"]: plain(doc) for doc in found}

    def find(
        self, collection: str, equal: Mapping[str, Any], above: tuple[str, int] | None = None, limit: int = 1000
    ) -> list[Document]:
        """Documents by a declared index; ValueError where none covers the fields."""
        fields = (*equal, *((above[0],) if above else ()))
        if not any(index.fields[: len(fields)] == fields for index in COLLECTIONS[collection]):
            raise ValueError(f"{collection} has no index over {fields}")
        query: dict[str, Any] = {**equal, **({above[0]: {"$gt": above[1]}} if above else {})}
        return self._list(collection, query, above[0] if above else None, limit)

    def scan(self, collection: str, after: Id | None = None, before: Id | None = None, limit: int = 1000) -> list[Document]:
        """Documents with after < _id < before, in `_id` order."""
        bounds = {op: value for op, value in (("$gt", after), ("$lt", before)) if value is not None}
        return self._list(collection, {"_id": bounds} if bounds else {}, "_id", limit)

    def scan_any(self, collection: str, ranges: Sequence[tuple[Id, Id]], limit: int = 1000) -> list[Document]:
        """Documents of any of the ranges, in no order."""
        bounds = [{"_id": {"$gt": after, "$lt": before}} for after, before in ranges]
        return self._list(collection, {"$or": bounds}, None, limit) if bounds else []

    def insert(self, collection: str, doc: Document, stamp: tuple[str, ...] = ()) -> None:
        """Add a document, or raise Duplicate."""
        self._write(lambda: self._certain.insert(Insert(collection, doc, stamp)))

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
        step = Update(collection, id, where or {}, set or {}, tuple(unset), inc or {}, stamp)
        found = self._write(lambda: self._certain.update(step))
        return None if found is None else plain(found)

    def delete(self, collection: str, id: Id, where: Mapping[str, Any] | None = None) -> Document | None:
        """Compare-and-delete: the document that was removed, or None."""
        found = self._write(lambda: self._certain.delete(Delete(collection, id, where or {})))
        return None if found is None else plain(found)

    def batch(self, steps: Sequence[Step]) -> int:
        """Do the steps in order, one bulk write for each run of steps in one collection."""
        return self._write(lambda: self._runs(steps))

    def now_us(self) -> int:
        """The server's clock as it is known here, microseconds since the epoch; asks nobody."""
        return self._clock.now_us()

    def barrier(self) -> None:
        """Nothing: every write was journalled before its call returned."""

    def close(self) -> None:
        """Close the connections."""
        self._database.client.close()

    def _of(self, name: str) -> Collection[Document]:
        return self._database.get_collection(
            name, read_preference=ReadPreference.PRIMARY, write_concern=WriteConcern(w="majority", j=True)
        )

    def _list(self, collection: str, query: dict[str, Any], order: str | None, limit: int) -> list[Document]:
        def ask() -> list[Document]:
            # as much as may come in the first answer: a cursor's next part could not be asked for again
            found = self._of(collection).find(query, batch_size=limit + 1).limit(limit)
            return list(found.sort(order, ASCENDING) if order else found)

        return [plain(doc) for doc in self._read(ask)]

    def _read(self, ask: Callable[[], T]) -> T:
        self._refresh_clock()
        with errors(self._hosts):
            return until_certain(lambda _: ask(), self._deadline_s)

    def _write(self, ask: Callable[[], T]) -> T:
        self._refresh_clock()
        with errors(self._hosts):
            return ask()

    def _runs(self, steps: Sequence[Step]) -> int:
        ends = time.monotonic() + self._deadline_s
        matched = position = 0
        for _, run in groupby(steps, key=lambda step: step.collection):
            some = list(run)
            try:
                matched += self._certain.batch(some, ends - time.monotonic())
            except Duplicate as problem:
                raise Duplicate(str(problem), position + problem.position) from problem
            position += len(some)
        return matched

    def _refresh_clock(self) -> None:
        try:
            with pymongo.timeout(CLOCK_S):
                self._clock.refresh()
        except PyMongoError:
            pass  # the estimate that is there is good enough, and the call itself will tell what is wrong

    def _ask_time(self) -> int | None:
        told = self._hello().get("localTime")
        return int(told.timestamp() * 1e6) if isinstance(told, datetime) else None

    def _hello(self) -> Mapping[str, Any]:
        admin = self._database.client["admin"]
        try:
            return admin.command("hello")
        except OperationFailure as problem:
            if problem.code != UNKNOWN_COMMAND:
                raise
            return admin.command("isMaster")  # the name before MongoDB 4.4.2
        except NotImplementedError:
            return {}  # an engine in this process (mongomock) has this host's time
