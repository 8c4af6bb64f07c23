"""The document port: all that is asked of a metadata engine, so that every rule about files is written once.

The contract, held by one conformance suite over every engine:

- A document is a flat-or-nested mapping of str to None, bool, int, str, list or dict, with an `_id` of int or str. No
  floats, no bytes, no dots or dollars in field names.
- Each call is atomic on one document, and nothing more is asked. Ids of one collection are all int or all str; they are
  ordered as Python orders them (str: by code point).
- `where` is equality of top-level fields, or PRESENT / ABSENT: the compare in compare-and-swap.
- An engine raises `Duplicate` and `CatalogUnavailable`, nothing else of its own. After CatalogUnavailable a write may
  or may not have happened; without it, it has happened exactly once, also where a server's answer was lost.
- Every engine is thread-safe, and bounded in time by its own deadline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

Document = dict[str, Any]
Id = int | str


class Presence(Enum):
    """A condition on a field's being there at all."""

    PRESENT = "present"
    ABSENT = "absent"


PRESENT = Presence.PRESENT
ABSENT = Presence.ABSENT


@dataclass(frozen=True, slots=True)
class Insert:
    """Add a document; Duplicate where its `_id`, or a unique index, is taken. `stamp` fields get the engine's time (µs)."""

    collection: str
    doc: Document
    stamp: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """Change one document where it still is what `where` says. `stamp` fields get the engine's time (µs)."""

    collection: str
    id: Id
    where: Mapping[str, Any] = field(default_factory=dict)
    set: Mapping[str, Any] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    inc: Mapping[str, int] = field(default_factory=dict)
    stamp: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove one document where it still is what `where` says."""

    collection: str
    id: Id
    where: Mapping[str, Any] = field(default_factory=dict)


Step = Insert | Update | Delete


@dataclass(frozen=True, slots=True)
class Index:
    """A declared index over top-level fields, the last of which may be ranged over."""

    fields: tuple[str, ...]
    unique: bool = False
    sparse: bool = False


class Engine(Protocol):
    """A metadata engine: collections of documents. Collections and indexes are those of `schema.COLLECTIONS`."""

    @property
    def quick(self) -> bool:
        """True where a call is so short (tens of microseconds) that it may be made on the event loop."""
        ...

    def get(self, collection: str, id: Id) -> Document | None:
        """The document, or None."""
        ...

    def get_many(self, collection: str, ids: Iterable[Id]) -> dict[Id, Document]:
        """Those of the documents that exist, by id."""
        ...

    def find(
        self, collection: str, equal: Mapping[str, Any], above: tuple[str, int] | None = None, limit: int = 1000
    ) -> list[Document]:
        """Documents by a declared index: fields equal, and one more greater than a bound. ValueError without an index."""
        ...

    def scan(self, collection: str, after: Id | None = None, before: Id | None = None, limit: int = 1000) -> list[Document]:
        """Documents with after < _id < before, in `_id` order, at most `limit`."""
        ...

    def scan_any(self, collection: str, ranges: Sequence[tuple[Id, Id]], limit: int = 1000) -> list[Document]:
        """Documents with after < _id < before of any of the ranges (after, before), in no order, at most `limit`."""
        ...

    def insert(self, collection: str, doc: Document, stamp: tuple[str, ...] = ()) -> None:
        """Add a document, or raise Duplicate."""
        ...

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
        """Compare-and-swap: the document after the change, or None where there is none or `where` does not hold."""
        ...

    def delete(self, collection: str, id: Id, where: Mapping[str, Any] | None = None) -> Document | None:
        """Compare-and-delete: the document that was removed, or None.

        Where a server's answer was lost and the document is gone afterwards, it counts as removed by this call, and only its
        `_id` and what `where` says of it are returned: ask whether it is None, and rely on no other field.
        """
        ...

    def batch(self, steps: Sequence[Step]) -> int:
        """Do the steps in order, in one transaction or as few round trips as the engine has; not atomic as a whole.

        Returns how many updates and deletes found their document. Ends at the first Duplicate, which is raised with the
        step's position; the steps before it have been done.
        """
        ...

    def now_us(self) -> int:
        """The engine's clock, microseconds since the epoch: what `stamp` writes."""
        ...

    def barrier(self) -> None:
        """Return when everything written before survives a power cut (fsync of a mount waits for it)."""
        ...

    def close(self) -> None:
        """Let go of connections and files. Calls after it raise CatalogUnavailable."""
        ...
