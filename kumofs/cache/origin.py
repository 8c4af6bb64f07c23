"""Origin: a range of a content as the store has it: exactly these bytes, or why they are not to be had."""

from __future__ import annotations

from kumofs.errors import DamagedFile, KumofsError, NoSuchObject, PreconditionFailed, RangeNotSatisfiable, StoreUnavailable
from kumofs.model import Bytes, Content
from kumofs.store.protocol import Store


def fetch(store: Store, content: Content, start: int, length: int) -> Bytes:
    """Bytes [start, start+length), which must lie in the file. PreconditionFailed, DamagedFile, StoreUnavailable."""
    try:
        body = store.get(content.key, start, length, content.etag)
    except NoSuchObject as problem:
        raise missing(content) from problem
    except RangeNotSatisfiable:
        body = b""
    if len(body) != length:
        raise cut_short(store, content)
    return body


def cut_short(store: Store, content: Content) -> KumofsError:
    """Why the store gave less than was asked: only the object's own state tells damage from a broken answer."""
    try:
        there = store.head(content.key)
    except NoSuchObject:
        return missing(content)
    if there.etag != content.etag:
        return PreconditionFailed(f"{content.key!r} was replaced")
    if there.size < content.size:
        return shorter(content)
    return StoreUnavailable(f"the store's answer for {content.key!r} broke off")


def missing(content: Content) -> DamagedFile:
    """What is told of bytes that the catalog names and the store does not have: never an empty file."""
    return DamagedFile(f"the store has no {content.key!r}")


def shorter(content: Content) -> DamagedFile:
    """What is told of an object that has less bytes than the catalog says."""
    return DamagedFile(f"{content.key!r} is shorter than the catalog says")
