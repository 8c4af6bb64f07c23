"""Extended attributes: kumofs's own, computed (`user.kumo.*`), the tags, and what programs keep (`user.*`).

| name                              | value                                            | may be set       |
|-----------------------------------|--------------------------------------------------|------------------|
| user.kumo.created, .modified      | RFC 3339, UTC                                    | to what it is    |
| user.kumo.owner                   | email of who made the file                       | to what it is    |
| user.kumo.key, .version           | where the bytes are; absent until they are there | to what it is    |
| user.kumo.state                   | synced, pending, error: ...                      | to what it is    |
| user.kumo.tag, user.xdg.tags      | tags, joined with commas                         | yes              |
| other user.*                      | kept as it is, bounded                           | yes              |

Programs that copy attributes (cp -a, rsync -aX) write what they read from another drive, and remove what the source did
not have. So removing a computed attribute does nothing and succeeds, and the program that made a file may write
well-formed values of read-only names: they change nothing, but are remembered, so that writing them again succeeds too.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

from kumofs.catalog.inodes import Xattrs, set_tags, set_xattrs
from kumofs.errors import AttributeTooLarge, BadName, NoAttribute, NoSpace, NotPermitted, NotSupported
from kumofs.fs.drive import Drive
from kumofs.fs.node import Node
from kumofs.fs.programs import same_program
from kumofs.fs.steady import Question
from kumofs.model import Kind

OWN = "user.kumo."
TAG_NAMES = ("user.kumo.tag", "user.xdg.tags")
VALUE_MAX_BYTES = 16 * 1024
TOTAL_MAX_BYTES = 256 * 1024
"""All kept attributes of one file; a document has to hold them."""
TAGS_MAX = 256
TAG_MAX_BYTES = 255

TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
WELL_FORMED: dict[str, re.Pattern[bytes]] = {
    "user.kumo.created": TIME,
    "user.kumo.modified": TIME,
    "user.kumo.owner": re.compile(rb"[^@\s]+@[^@\s]+"),
    "user.kumo.key": re.compile(rb"[^/]+(/[^/]+)+"),
    "user.kumo.version": re.compile(rb"\S+"),
    "user.kumo.state": re.compile(rb"synced|pending|error: .+", re.DOTALL),
}


def rfc3339(time_ns: int) -> str:
    """An instant in UTC, to the microsecond."""
    return datetime.fromtimestamp(time_ns // 1000 / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def state_of(node: Node) -> str:
    """Whether the bytes are where they belong."""
    if node.staged is None:
        return "synced"
    return f"error: {node.staged.error}" if node.staged.error else "pending"


def key_of(node: Node) -> str | None:
    """The key of the committed bytes."""
    return node.inode.content.key if node.inode.content is not None else None


def version_of(node: Node) -> str | None:
    """The version that the store gave them, if it gives any."""
    return node.inode.content.version if node.inode.content is not None else None


COMPUTED: dict[str, Callable[[Node], str | None]] = {
    "user.kumo.created": lambda node: rfc3339(node.inode.created_ns),
    "user.kumo.modified": lambda node: rfc3339(node.mtime_ns),
    "user.kumo.owner": lambda node: node.inode.owner,
    "user.kumo.key": key_of,
    "user.kumo.version": version_of,
    "user.kumo.state": state_of,
}


def get(drive: Drive, node: Node, name: bytes, pid: int) -> bytes:
    """The value of an attribute, for a process. NoAttribute, NotSupported (outside user.*)."""
    if name == b"security.capability":
        raise NoAttribute  # asked before every write: answered before anything else
    drive.access.may_read()
    text = decoded(name)
    if text in COMPUTED:
        value = drive.steady.answer(Question(pid, node.ino, text), COMPUTED[text](node))
        if value is None:
            raise NoAttribute(text)
        return value.encode()
    if text in TAG_NAMES:
        if not node.inode.tags and text != TAG_NAMES[0]:
            raise NoAttribute(text)
        return ",".join(node.inode.tags).encode()
    for kept, value_bytes in node.inode.xattrs:
        if kept == text:
            return value_bytes
    raise NoAttribute(text)


def names(drive: Drive, node: Node) -> list[bytes]:
    """What getfattr -d shows. Links and special files have none: the kernel lets nobody read them there."""
    drive.access.may_read()
    if node.inode.kind not in (Kind.FILE, Kind.DIR):
        return []
    own = [name for name, value in COMPUTED.items() if value(node) is not None]
    tags = TAG_NAMES if node.inode.tags else TAG_NAMES[:1]
    kept = [name for name, _ in node.inode.xattrs if not name.startswith(OWN)]
    return [name.encode() for name in (*own, *tags, *kept)]


async def put(drive: Drive, node: Node, name: bytes, value: bytes, pid: int) -> None:
    """Set an attribute. NotPermitted (read-only), NotSupported, AttributeTooLarge, NoSpace."""
    drive.access.may_write()
    text = decoded(name)
    if text in TAG_NAMES:
        tags = parse_tags(value)
        drive.tree.adopt(await drive.catalog.run(set_tags, drive.engine, node.ino, tags, time.time_ns()))
        return
    if text.startswith(OWN) and not may_note(node, text, value, pid):
        return
    if len(value) > VALUE_MAX_BYTES:
        raise AttributeTooLarge(f"an attribute has at most {VALUE_MAX_BYTES} bytes")
    await change_kept(drive, node, lambda kept: with_value(kept, text, value))


async def remove(drive: Drive, node: Node, name: bytes) -> None:
    """Remove an attribute; a computed one stays. NoAttribute, NotSupported."""
    drive.access.may_write()
    text = decoded(name)
    if text in COMPUTED:
        return
    if text in TAG_NAMES:
        drive.tree.adopt(await drive.catalog.run(set_tags, drive.engine, node.ino, (), time.time_ns()))
        return
    await change_kept(drive, node, lambda kept: without_name(kept, text))


async def change_kept(drive: Drive, node: Node, change: Callable[[Xattrs], Xattrs]) -> None:
    """Compare-and-swap of the kept attributes; begins again where another mount was quicker."""
    while True:
        inode = node.inode
        wanted = change(inode.xattrs)
        if wanted == inode.xattrs:
            return
        done = await drive.catalog.run(set_xattrs, drive.engine, inode, wanted, time.time_ns())
        if done is not None:
            drive.tree.adopt(done)
            return
        await drive.tree.refresh(node)


def may_note(node: Node, name: str, value: bytes, pid: int) -> bool:
    """Whether a write of a read-only name is to be remembered; False: it is what it is already. NotPermitted."""
    if name not in COMPUTED:
        raise NotPermitted(f"{name}: user.kumo.* is kumofs's own; choose another name")
    true_value = COMPUTED[name](node)
    if (true_value is not None and value == true_value.encode()) or (name, value) in node.inode.xattrs:
        return False
    if not same_program(pid, node.maker_pid) or not WELL_FORMED[name].fullmatch(value):
        raise NotPermitted(f"{name} is read-only")
    return True


def with_value(kept: Xattrs, name: str, value: bytes) -> Xattrs:
    """The attributes with one set. NoSpace where they become too many."""
    changed = (*(pair for pair in kept if pair[0] != name), (name, value))
    if sum(len(n.encode()) + len(v) for n, v in changed) > TOTAL_MAX_BYTES:
        raise NoSpace(f"all attributes of a file have at most {TOTAL_MAX_BYTES} bytes")
    return changed


def without_name(kept: Xattrs, name: str) -> Xattrs:
    """The attributes without one. NoAttribute."""
    if not any(pair[0] == name for pair in kept):
        raise NoAttribute(name)
    return tuple(pair for pair in kept if pair[0] != name)


def decoded(name: bytes) -> str:
    """An attribute's name, which must be in user.*. NotSupported, BadName."""
    if not name.startswith(b"user.") or name == b"user.":
        raise NotSupported("only user.* attributes are kept")
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise BadName("attribute names must be UTF-8") from None


def parse_tags(value: bytes) -> tuple[str, ...]:
    """Tags of `trip, 2026`: parted at commas, trimmed, each once. AttributeTooLarge, BadName."""
    try:
        text = value.decode().rstrip("\0")
    except UnicodeDecodeError:
        raise BadName("tags must be UTF-8") from None
    tags = tuple(dict.fromkeys(tag for part in text.split(",") if (tag := part.strip())))
    if len(tags) > TAGS_MAX or any(len(tag.encode()) > TAG_MAX_BYTES for tag in tags):
        raise AttributeTooLarge(f"a file has at most {TAGS_MAX} tags of {TAG_MAX_BYTES} bytes")
    return tags
