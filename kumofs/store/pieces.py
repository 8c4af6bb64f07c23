"""Pieces: what an object is made anew of, some of it from a file, the rest from the object itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from kumofs.errors import NoSuchObject, PreconditionFailed, StoreError


class Piece(NamedTuple):
    """Bytes [start, start+length) of the new object: `copied` from there in the old one, else as the file has them there."""

    start: int
    length: int
    copied: bool


def check_pieces(pieces: Sequence[Piece]) -> None:
    """StoreError unless the pieces lie one after the other from 0, none of them empty."""
    end = 0
    for piece in pieces:
        if piece.start != end or piece.length < 1:
            raise StoreError("the pieces of an object must follow one another from its beginning, and have bytes")
        end += piece.length
    if not end:
        raise StoreError("an object of no pieces is put, not pieced together")


@contextmanager
def gone_is_changed(key: str) -> Iterator[None]:
    """Where the block finds no object, the one that was to be replaced has gone: PreconditionFailed."""
    try:
        yield
    except NoSuchObject as problem:
        raise PreconditionFailed(f"{key!r} has changed since it was looked at, or is gone") from problem
