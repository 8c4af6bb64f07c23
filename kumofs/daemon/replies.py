"""What a mount answers at its control socket: its state, and the progress of what it was asked to bring to an end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import trio

from kumofs.catalog.claims import read_inode
from kumofs.daemon.control import Message
from kumofs.errors import KumofsError
from kumofs.fs.drive import Drive
from kumofs.fs.node import Node
from kumofs.fs.warming import Progress, warm
from kumofs.model import parent_of

ERRORS_SHOWN = 20
SETTLE_LOOK_S = 0.5


def status(drive: Drive) -> Message:
    """What is on its way, what could not be sent, what is not settled, which conflicts there were."""
    waiting = drive.outbox.waiting()
    errors = [f"{node.ino}: {node.staged.error}" for node in drive.outbox.nodes() if node.staged and node.staged.error]
    return {
        "pending": waiting.files,
        "pending_bytes": waiting.size_bytes,
        "oldest_s": round(waiting.oldest_s, 1),
        "rate_bytes_s": round(waiting.rate_bytes_s),
        "failed": waiting.failed,
        "last_error": waiting.last_error,
        "errors": errors[:ERRORS_SHOWN],
        "unsettled": drive.moved.left,
        "conflicts": list(drive.conflicts),
        "staged_bytes": drive.area.used_bytes,
        "staged_bytes_max": drive.area.bytes_max,
    }


async def synced(drive: Drive, within: int | None) -> AsyncIterator[Message]:
    """Send everything, or what lies in a directory or is a file, by inode number. {"left": n} … {"done": true, "failed": n}."""
    nodes = [node for node in staged(drive) if within is None or await lies_within(drive, node, within)]
    for node in nodes:
        if node not in drive.outbox:
            drive.outbox.add(node)
    failed = 0
    async for left, failed in drive.outbox.wait_sent(nodes):  # noqa: B007  (the last one is told)
        yield {"left": left}
    yield {"left": 0, "done": True, "failed": failed}


async def settled(drive: Drive) -> AsyncIterator[Message]:
    """Wait until every key is where its file's name says; {"left": n} … {"done": true}."""
    drive.moved.wake()
    while True:
        await trio.sleep(SETTLE_LOOK_S)
        left = drive.moved.left
        yield {"left": left}
        if not left and not len(drive.outbox):
            break
    yield {"left": 0, "done": True, "failed": 0}


async def warmed(drive: Drive, ino: int | None) -> AsyncIterator[Message]:
    """Fetch a file, or what lies in a directory, into the cache on disk: how far it is … {"done": true, "failed": n, …}.

    {"off": why} where there is no such cache, {"error": why} where it cannot be known what there is to fetch.
    """
    if drive.store.capabilities.local_files:
        yield {"off": "the store lies on this machine: there is nothing to fetch ahead"}
        return
    if drive.disk_cache is None:
        yield {"off": "the cache on disk is off (cache_mib = 0): there is nowhere to fetch to"}
        return
    progress = Progress()
    try:
        async for progress in warm(drive, drive.disk_cache, drive.tree.root.ino if ino is None else ino):
            yield told(progress)
    except KumofsError as problem:
        yield {"error": str(problem) or type(problem).__name__}
        return
    yield {**told(progress), "done": True, "failed": progress.failed, "problem": progress.problem, "full": progress.full}


def told(progress: Progress) -> Message:
    """How far it is."""
    return {
        "files": progress.files,
        "files_max": progress.files_max,
        "bytes": progress.size_bytes,
        "bytes_max": progress.bytes_max,
    }


async def drained(drive: Drive) -> AsyncIterator[Message]:
    """Send everything, and free what was unlinked; as `synced`."""
    last: Message = {}
    async for last in synced(drive, None):
        if "done" not in last:
            yield last
    await drive.orphans.strip_all()
    yield last


def staged(drive: Drive) -> list[Node]:
    """The nodes whose bytes are not in the store yet."""
    return [node for node in drive.tree.nodes() if node.staged is not None and node.inode.names]


async def lies_within(drive: Drive, node: Node, ino: int) -> bool:
    """Whether a file is that inode, or lies in it, by its first name."""
    current = node.inode
    root = drive.tree.root.ino
    while current.ino != ino:
        if current.ino == root or not current.names:
            return False
        above = parent_of(current.names[0])
        known = drive.tree.find(above)
        found = known.inode if known is not None else await drive.catalog.run(read_inode, drive.engine, above)
        if found is None:
            return False
        current = found
    return True
