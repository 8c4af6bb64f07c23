"""The production engine: MongoDB through pymongo, one collection of the database for each of the schema's.

Needs nothing but atomic single documents, so it runs on a standalone server, a replica set, a sharded cluster. Writes
are journalled and acknowledged by the majority before a call returns, so `barrier` has nothing left to do.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

from pymongo import ASCENDING, DeleteOne, InsertOne, MongoClient, ReturnDocument, UpdateOne, WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, ConfigurationError, DuplicateKeyError, InvalidURI, PyMongoError

from kumofs.catalog.port import ABSENT, PRESENT, Delete, Document, Id, Insert, Step, Update
from kumofs.catalog.schema import COLLECTIONS
from kumofs.errors import CatalogUnavailable, ConfigError, Duplicate

DEADLINE_S = 15
"""Bound of one call, connecting and choosing a server included."""
DUPLICATE_KEY = 11000


def open_mongo(url: str) -> MongoEngine:
    """The engine of a `mongodb://` URL that names a database. ConfigError, CatalogUnavailable."""
    try:
        client: MongoClient[Document] = MongoClient(
            url,
            timeoutMS=DEADLINE_S * 1000,
            serverSelectionTimeoutMS=DEADLINE_S * 1000,
            connectTimeoutMS=DEADLINE_S * 1000,
            tz_aware=True,
        )
        database = client.get_default_database()
    except (ConfigurationError, InvalidURI, ValueError) as problem:
        raise ConfigError(f"the catalog's URL is not mongodb://host/database: {problem}") from problem
    return MongoEngine(database)


class MongoEngine:
    """The document port over one MongoDB database."""

    quick = False

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        with errors():
            for name, indexes in COLLECTIONS.items():
                for index in indexes:
                    keys = [(field, ASCENDING) for field in index.fields]
                    self._database[name].create_index(keys, unique=index.unique)

    def get(self, collection: str, id: Id) -> Document | None:
        """The document, or None."""
        with errors():
            return self._of(collection).find_one({"_id": id})

    def get_many(self, collection: str, ids: Iterable[Id]) -> dict[Id, Document]:
        """Those of the documents that exist, by id."""
        with errors():
            return {doc["_id"]: doc for doc in self._of(collection).find({"_id": {"$in": list(ids)}})}

    def find(
        self, collection: str, equal: Mapping[str, Any], above: tuple[str, int] | None = None, limit: int = 1000
    ) -> list[Document]:
        """Documents by a declared index; ValueError where none covers the fields."""
        fields = (*equal, *((above[0],) if above else ()))
        if not any(index.fields[: len(fields)] == fields for index in COLLECTIONS[collection]):
            raise ValueError(f"{collection} has no index over {fields}")
        query: dict[str, Any] = {**equal, **({above[0]: {"$gt": above[1]}} if above else {})}
        with errors():
            found = self._of(collection).find(query)
            return list((found.sort(above[0], ASCENDING) if above else found).limit(limit))

    def scan(self, collection: str, after: Id | None = None, before: Id | None = None, limit: int = 1000) -> list[Document]:
        """Documents with after < _id < before, in `_id` order."""
        bounds = {op: value for op, value in (("$gt", after), ("$lt", before)) if value is not None}
        with errors():
            return list(self._of(collection).find({"_id": bounds} if bounds else {}).sort("_id", ASCENDING).limit(limit))

    def insert(self, collection: str, doc: Document, stamp: tuple[str, ...] = ()) -> None:
        """Add a document, or raise Duplicate."""
        with errors():
            self._of(collection).insert_one({**doc, **dict.fromkeys(stamp, self.now_us())})

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
        with errors():
            found: Document | None = self._of(collection).find_one_and_update(
                selected(id, step.where), self._change(step), return_document=ReturnDocument.AFTER
            )
            return found

    def delete(self, collection: str, id: Id, where: Mapping[str, Any] | None = None) -> Document | None:
        """Compare-and-delete: the document that was removed, or None."""
        with errors():
            found: Document | None = self._of(collection).find_one_and_delete(selected(id, where or {}))
            return found

    def batch(self, steps: Sequence[Step]) -> int:
        """Do the steps in order, one round trip for each run of steps in one collection."""
        matched = position = 0
        for name, run in groupby(steps, key=lambda step: step.collection):
            requests = [self._request(step) for step in run]
            with errors(position):
                result = self._of(name).bulk_write(requests, ordered=True)
            matched += result.matched_count + result.deleted_count
            position += len(requests)
        return matched

    def now_us(self) -> int:
        """This host's clock, microseconds since the epoch."""
        return time.time_ns() // 1000

    def barrier(self) -> None:
        """Nothing: every write was journalled before its call returned."""

    def close(self) -> None:
        """Close the connections."""
        self._database.client.close()

    def _of(self, name: str) -> Collection[Document]:
        return self._database.get_collection(name, write_concern=WriteConcern(w="majority", j=True))

    def _change(self, step: Update) -> dict[str, Any]:
        fields = {**step.set, **dict.fromkeys(step.stamp, self.now_us())}
        change: dict[str, Any] = {}
        if fields:
            change["$set"] = fields
        if step.unset:
            change["$unset"] = dict.fromkeys(step.unset, "")
        if step.inc:
            change["$inc"] = dict(step.inc)
        return change

    def _request(self, step: Step) -> InsertOne[Document] | UpdateOne | DeleteOne:
        match step:
            case Insert():
                return InsertOne({**step.doc, **dict.fromkeys(step.stamp, self.now_us())})
            case Update():
                return UpdateOne(selected(step.id, step.where), self._change(step))
            case Delete():
                return DeleteOne(selected(step.id, step.where))


def selected(id: Id, where: Mapping[str, Any]) -> dict[str, Any]:
    """The filter of a compare-and-swap."""
    presence = {PRESENT: {"$exists": True}, ABSENT: {"$exists": False}}
    conditions = {field: presence[value] if value in (PRESENT, ABSENT) else {"$eq": value} for field, value in where.items()}
    return {"_id": id, **conditions}


@contextmanager
def errors(position: int = 0) -> Iterator[None]:
    """pymongo's exceptions end here; `position` is that of a batch's first step."""
    try:
        yield
    except DuplicateKeyError as problem:
        raise Duplicate("the id, or a unique field, is taken", position) from problem
    except BulkWriteError as problem:
        first = problem.details["writeErrors"][0] if problem.details.get("writeErrors") else {}
        if first.get("code") == DUPLICATE_KEY:
            raise Duplicate("the id, or a unique field, is taken", position + first["index"]) from problem
        raise CatalogUnavailable(f"the catalog refused a write: {first.get('errmsg', problem)}") from problem
    except PyMongoError as problem:
        raise CatalogUnavailable(f"the catalog does not answer: {problem}") from problem
