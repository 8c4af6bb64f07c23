"""Keys of the protocol and where they lie in the bucket.

    <prefix>/<key>                          nearly every key, as it is: any S3 tool shows it
    <prefix>/.kumofs/keys/<key, escaped>    a key that some server refuses or leaves out of listings (a control character,
                                            a component of blanks and dots): %XX for what is odd, and for `%`
    <prefix>/.kumofs/                       besides: the store's own; no key begins with that

Escaping in place would move a key to another position of the bucket's order, and a listing has to be in key order: so
the odd keys have a place of their own, and a listing merges the two.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from kumofs.errors import KeyRefused

OWN = ".kumofs/"
ODD = ".kumofs/keys/"
PATH_MAX_BYTES = 1024
"""S3's own bound on a key."""
UNLISTED = re.compile("[\x00-\x1f\x7f\ufffe\uffff]")
"""What XML cannot carry, so that servers leave it out of a listing or break it."""
BLANK_DOTS = re.compile(r"(?:^|/)(?:\s+\.{1,2}\s*|\.{1,2}\s+)(?=/|$)")
"""Servers strip blanks before they look for `.` and `..`."""
ESCAPED = re.compile("[\x00-\x1f\x7f\ufffe\uffff%\\s]")


def check_key(key: str) -> None:
    """KeyRefused unless it is a key as the protocol says, and not one of the store's own."""
    for part in key.split("/"):
        if part in ("", ".", "..") or "\0" in part:
            raise KeyRefused(f"{key!r} has a component that cannot be a file's name: {part!r}")
    try:
        key.encode()
    except UnicodeEncodeError as problem:
        raise KeyRefused(f"{key!r} is not UTF-8") from problem
    if key.startswith(OWN):
        raise KeyRefused(f"{key!r} is the store's own: use a key that does not begin with {OWN}")


def is_odd(key: str) -> bool:
    """Whether a key goes to the place of odd keys."""
    return (not key.isprintable() and bool(UNLISTED.search(key))) or ("." in key and bool(BLANK_DOTS.search(key)))


class KeySpace:
    """The keys below one prefix of a bucket; `path` is what S3 calls a key."""

    def __init__(self, prefix: str) -> None:
        self.top = f"{prefix}/" if prefix else ""

    def path(self, key: str) -> str:
        """Where a key's object lies. KeyRefused."""
        check_key(key)
        path = f"{self.top}{ODD}{escaped(key)}" if is_odd(key) else f"{self.top}{key}"
        if len(path.encode()) > PATH_MAX_BYTES:
            raise KeyRefused(f"{key!r} is longer than S3 takes, {PATH_MAX_BYTES} bytes with the prefix: shorten it")
        return path

    def own(self, name: str) -> str:
        """Where an object of the store's own lies."""
        return f"{self.top}{OWN}{name}"

    def key(self, path: str) -> str | None:
        """The key of what lies at a path; None where that is no key's place (the store's own, a folder mark, another prefix)."""
        if not path.startswith(self.top):
            return None
        name = path[len(self.top) :]
        key = unquote(name[len(ODD) :]) if name.startswith(ODD) else name
        try:
            return key if self.path(key) == path else None
        except KeyRefused:
            return None


def escaped(key: str) -> str:
    """An odd key with everything that is odd in it as %XX."""
    return ESCAPED.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), key)


def may_have_keys(prefix: str) -> bool:
    """Whether any key can begin with this; servers would read `a//` and `a/../` in ways of their own."""
    *whole, _ = prefix.split("/")
    return not {"", ".", ".."} & set(whole)
