"""Between the frozen dataclasses of `model` and the documents of the port: the only place that knows field names.

`names`, `removing`, `tags`, `xattrs`, `target` and `content` are absent where there is nothing: `where` asks for presence,
and a feed of thousands of inodes stays small.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from sys import intern
from typing import Any

from kumofs.catalog.port import Document
from kumofs.model import Content, Entry, Inode, Kind, ObjectRecord, ObjectState, Removal


def inode_document(inode: Inode) -> Document:
    """The document of an inode, without `changed_us` and `moved_us`, which the engine stamps."""
    doc: Document = {
        "_id": inode.ino,
        "home": inode.home,
        "kind": inode.kind.value,
        "nrev": inode.nrev,
        "rev": inode.rev,
        "arev": inode.arev,
        "mode": inode.mode,
        "uid": inode.uid,
        "gid": inode.gid,
        "rdev": inode.rdev,
        "atime_ns": inode.atime_ns,
        "mtime_ns": inode.mtime_ns,
        "ctime_ns": inode.ctime_ns,
        "created_ns": inode.created_ns,
        "owner": inode.owner,
    }
    if inode.names:
        doc["names"] = list(inode.names)
    if inode.tags:
        doc["tags"] = list(inode.tags)
    if inode.xattrs:
        doc["xattrs"] = xattrs_field(inode.xattrs)
    if inode.target is not None:
        doc["target"] = inode.target
    if inode.content is not None:
        doc["content"] = content_field(inode.content)
    return doc


def inode_of(doc: Document) -> Inode:
    """The inode of a document."""
    content = doc.get("content")
    removing = doc.get("removing")
    return Inode(
        ino=doc["_id"],
        home=intern(doc["home"]),  # the same for thousands of inodes
        kind=Kind(doc["kind"]),
        names=tuple(doc.get("names", ())),
        nrev=doc["nrev"],
        removing=None if removing is None else Removal(removing["token"], removing.get("replacement"), removing.get("name")),
        mode=doc["mode"],
        uid=doc["uid"],
        gid=doc["gid"],
        rdev=doc["rdev"],
        atime_ns=doc["atime_ns"],
        mtime_ns=doc["mtime_ns"],
        ctime_ns=doc["ctime_ns"],
        created_ns=doc["created_ns"],
        owner=intern(doc["owner"]),
        tags=tuple(doc.get("tags", ())),
        xattrs=tuple((x["name"], b64decode(x["value"])) for x in doc.get("xattrs", ())),
        target=doc.get("target"),
        content=None if content is None else content_of(content),
        rev=doc["rev"],
        arev=doc.get("arev", 0),  # documents from before it have none
        changed_us=doc.get("changed_us", 0),
        moved_us=doc.get("moved_us", 0),
    )


def xattrs_field(xattrs: tuple[tuple[str, bytes], ...]) -> list[dict[str, str]]:
    """A list of {name, value}, for attribute names have dots and dollars; values in base64, for the port has no bytes."""
    return [{"name": name, "value": b64encode(value).decode()} for name, value in xattrs]


def content_field(content: Content) -> dict[str, Any]:
    """The `content` field of an inode."""
    return {
        "key": content.key,
        "etag": content.etag,
        "version": content.version,
        "size": content.size,
        "data": content.data,
    }


def content_of(field: dict[str, Any]) -> Content:
    """The content of an inode's `content` field."""
    return Content(field["key"], field["etag"], field["version"], field["size"], field["data"])


def removal_field(removal: Removal) -> dict[str, Any]:
    """The `removing` field of a directory."""
    return {"token": removal.token, "replacement": removal.replacement, "name": removal.name}


def entry_of(doc: Document) -> Entry:
    """The entry of a document."""
    return Entry(doc["_id"], doc["parent"], tuple(doc["inos"]), doc["token"])


def object_of(doc: Document) -> ObjectRecord:
    """The object record of a document."""
    return ObjectRecord(doc["_id"], doc["ino"], ObjectState(doc["state"]), doc["token"], doc["since_us"])
