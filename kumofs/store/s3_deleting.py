"""Many objects removed at once: looked at by listings, and deleted by one request.

A folder of 1,000 files is two requests so, and 2,000 singly. Only where the server decides no condition of a deletion itself:
then a look, which a listing is as well, comes before every deletion, single ones too (`s3_objects`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from html import escape
from os.path import commonpath
from typing import Any
from xml.etree import ElementTree

from kumofs.errors import KeyRefused, StoreError, StoreRefused, StoreUnavailable
from kumofs.model import Bytes
from kumofs.store.protocol import MANY_MAX
from kumofs.store.s3_body import Body
from kumofs.store.s3_keys import KeySpace, is_odd
from kumofs.store.s3_listing import PAGE, one_page
from kumofs.store.s3_objects import CHECKSUM, DELETE_BOUND_S
from kumofs.store.s3_retry import Attempt
from kumofs.store.s3_wire import Wire

log = logging.getLogger(__name__)

WANTED_MIN = 0.1
"""Of a page so much must be of those asked for; where they lie far apart, each is better looked at by itself."""


class Deletions:
    """Deletions of many objects of one key space. `works`: the server knows that request, and lists in order."""

    def __init__(self, wire: Wire, client: Any, bucket: str, keys: KeySpace) -> None:
        self._wire = wire
        self._client = client
        self._bucket = bucket
        self._keys = keys
        self.works = True

    def delete(self, etags: Mapping[str, str]) -> set[str]:
        """What the protocol's `delete_many` does; one attempt, and nothing of what was not looked at within half the bound."""
        if len(etags) > MANY_MAX:
            raise StoreError(f"{len(etags)} objects are more than {MANY_MAX}, which one request deletes")
        paths = {path: key for key in etags if (path := self._plain(key)) is not None} if self.works else {}
        begun = Attempt(time.monotonic() + DELETE_BOUND_S / 2)
        there = self._looked(sorted(paths))
        gone = {path for path, etag in there.items() if not etag}
        mine = [path for path, etag in there.items() if etag and etag == etags[paths[path]]]
        if mine:
            gone |= set(mine) - self._deleted(begun, mine)
        return {paths[path] for path in gone}

    def _plain(self, key: str) -> str | None:
        """Where a key lies that XML can carry."""
        try:
            return None if is_odd(key) else self._keys.path(key)
        except KeyRefused:
            return None

    def _looked(self, wanted: Sequence[str]) -> dict[str, str]:
        """The etags of what lies at paths, '' where nothing does; not of all where they lie far apart."""
        found: dict[str, str] = {}
        prefix = commonpath([path.rpartition("/")[0] for path in wanted]) if wanted else ""
        while wanted:
            most = min(PAGE, 2 * len(wanted))
            page = one_page(
                self._client, self._bucket, f"{prefix}/" if prefix else "", {"StartAfter": before(wanted[0]), "MaxKeys": most}
            )
            listed = {each["Key"]: each["ETag"].strip('"') for each in page.get("Contents", ())}
            end = max(listed) if page.get("IsTruncated") and listed else None
            seen = [path for path in wanted if end is None or path <= end]
            found |= {path: listed.get(path, "") for path in seen}
            if end is None or len(seen) < WANTED_MIN * most:
                break
            wanted = wanted[len(seen) :]
        return found

    def _deleted(self, begun: Attempt, paths: Sequence[str]) -> set[str]:
        """Delete objects; those that the server did not."""
        rows = "".join(f"<Object><Key>{escape(path)}</Key></Object>" for path in paths)
        body = Body(f"<Delete><Quiet>true</Quiet>{rows}</Delete>".encode())
        how: dict[str, Any] = {"headers": {CHECKSUM: body.crc32()}, "body": body, "read_s": DELETE_BOUND_S / 3, "hashed": True}
        try:
            reply = self._wire.ask(begun, "POST", "", query="delete=", **how)
        except StoreRefused as problem:
            if type(problem) is not StoreRefused:  # credentials, a bucket that is gone: single deletions would not do either
                raise
            self.works = False
            log.warning("objects are deleted one by one from now on: %s", problem)
            return set(paths)
        return refused(reply.body)


def refused(xml: Bytes) -> set[str]:
    """The paths of what a server did not delete. StoreUnavailable where it does not say so."""
    try:
        answer = ElementTree.fromstring(xml)  # noqa: S314  (the server's, which has all the files anyway)
    except ElementTree.ParseError as problem:
        raise StoreUnavailable("the server's answer to a deletion cannot be read") from problem
    if answer.tag.rpartition("}")[2] != "DeleteResult":
        raise StoreUnavailable("the server's answer to a deletion is none")
    return {error.findtext("{*}Key", "") for error in answer.findall("{*}Error")}


def before(path: str) -> str:
    """A path that comes shortly before this one, with little between them."""
    last = ord(path[-1])
    return path[:-1] + (f"{chr(last - 1)}~" if last > ord("0") and last - 1 < 0xD800 else "")
