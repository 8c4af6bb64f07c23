"""The tables and indexes of the embedded engine, made from `schema.COLLECTIONS`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from kumofs.catalog.port import Document, Index
from kumofs.catalog.schema import COLLECTIONS, LIST_FIELDS
from kumofs.errors import CatalogUnavailable

VERSION = 1
"""Kept in `user_version`; a catalog of another version is refused, never guessed at."""
WAL_PAGES = 2000
"""Pages of log before SQLite copies them into the database (8 MiB)."""


def configure(connection: sqlite3.Connection) -> None:
    """What every connection needs."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA cache_size=-16000")  # 16 MiB
    connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")


def prepare(connection: sqlite3.Connection) -> None:
    """Make tables and indexes where they are not there yet. CatalogUnavailable for another version's file."""
    connection.execute("BEGIN IMMEDIATE")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        for collection in COLLECTIONS:
            create(connection, collection)
        connection.execute("CREATE TABLE kumofs_barrier (count INTEGER)")
        connection.execute("INSERT INTO kumofs_barrier VALUES (0)")
        connection.execute(f"PRAGMA user_version={VERSION}")
    connection.execute("COMMIT")
    if version not in (0, VERSION):
        raise CatalogUnavailable(f"the catalog has format {version}, this kumofs reads {VERSION}: use the version that made it")


def create(connection: sqlite3.Connection, collection: str) -> None:
    """One collection: its table, and an index or a table of rows for each declared index."""
    connection.execute(f"CREATE TABLE {named(collection)} (_id PRIMARY KEY NOT NULL, doc TEXT NOT NULL) WITHOUT ROWID")
    for index in COLLECTIONS[collection]:
        if of_list(index):
            columns = ", ".join(index.fields)
            connection.execute(
                f"CREATE TABLE {index_name(collection, index)} ({columns}, _id, PRIMARY KEY ({columns}, _id)) WITHOUT ROWID"
            )
        else:
            columns = ", ".join(extract(field) for field in index.fields)
            unique = "UNIQUE " if index.unique else ""
            connection.execute(f"CREATE {unique}INDEX {index_name(collection, index)} ON {named(collection)} ({columns})")


def named(collection: str) -> str:
    """A collection's table; a name that is not in the schema is a mistake in the program."""
    if collection not in COLLECTIONS:
        raise ValueError(f"no collection {collection!r}")
    return collection


def index_name(collection: str, index: Index) -> str:
    """The name of an index, or of the table of rows that stands for it."""
    return "__".join((collection, *index.fields)) + ("__rows" if of_list(index) else "")


def of_list(index: Index) -> bool:
    """Whether an index has one row per element of a list field."""
    return any(field in LIST_FIELDS for field in index.fields)


def extract(field: str) -> str:
    """The SQL of a document's field; written the same in indexes and queries, or SQLite would not use the index."""
    return f"json_extract(doc, '$.{field}')"


def find_query(collection: str, equal: Mapping[str, Any], above: tuple[str, int] | None) -> tuple[str, list[Any]]:
    """The SELECT that answers `find` by an index, with its values but for the limit. ValueError without such an index."""
    table = named(collection)
    fields = (*equal, *((above[0],) if above else ()))
    index = next((i for i in COLLECTIONS[collection] if i.fields[: len(fields)] == fields), None)
    if index is None:
        raise ValueError(f"{collection} has no index over {fields}")
    values = [*equal.values(), *((above[1],) if above else ())]
    name = index_name(collection, index)
    if of_list(index):
        where = conditions([f"r.{field}" for field in equal], f"r.{above[0]}" if above else None)
        return f"SELECT t.doc FROM {name} r JOIN {table} t ON t._id = r._id WHERE {where} LIMIT ?", values
    where = conditions([extract(field) for field in equal], extract(above[0]) if above else None)
    order = f"ORDER BY {extract(above[0])}" if above else ""
    return f"SELECT doc FROM {table} INDEXED BY {name} WHERE {where} {order} LIMIT ?", values


def conditions(equal: list[str], above: str | None) -> str:
    """The WHERE of a find."""
    return " AND ".join([*(f"{term} = ?" for term in equal), *([f"{above} > ?"] if above else [])])


def rows_of(collection: str, doc: Document) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """(table of rows, row) for each element of the document's indexed lists."""
    for index in COLLECTIONS[collection]:
        if of_list(index):
            lead = [doc.get(field) for field in index.fields[:-1]]
            for element in dict.fromkeys(doc.get(index.fields[-1], ())):
                yield index_name(collection, index), (*lead, element, doc["_id"])


def add_rows(connection: sqlite3.Connection, collection: str, doc: Document) -> None:
    """Put a new document's rows in."""
    for table, row in rows_of(collection, doc):
        connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def drop_rows(connection: sqlite3.Connection, collection: str, doc: Document) -> None:
    """Take a document's rows out."""
    for table, row in rows_of(collection, doc):
        index = next(i for i in COLLECTIONS[collection] if index_name(collection, i) == table)
        connection.execute(f"DELETE FROM {table} WHERE {' AND '.join(f'{f} = ?' for f in (*index.fields, '_id'))}", row)


def replace_rows(connection: sqlite3.Connection, collection: str, old: Document, new: Document) -> None:
    """Change a document's rows, where its lists have changed."""
    if list(rows_of(collection, old)) != list(rows_of(collection, new)):
        drop_rows(connection, collection, old)
        add_rows(connection, collection, new)
