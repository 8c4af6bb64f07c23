"""A mount, composed: session, engine, store, staging area and tree become a drive; the kernel is answered until it ends."""

from __future__ import annotations

import logging
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import trio

from kumofs.accounts.sessions import check_session
from kumofs.accounts.token_file import read_token
from kumofs.accounts.users import User
from kumofs.catalog import open_engine
from kumofs.catalog.claims import read_inode
from kumofs.catalog.numbers import Numbers
from kumofs.catalog.port import Engine
from kumofs.config import Settings, make_private_dir
from kumofs.daemon.control import Message, serve
from kumofs.daemon.heartbeat import Heartbeat
from kumofs.daemon.mount_point import check_fuse, check_mount_point
from kumofs.daemon.runtime import Place, announced
from kumofs.daemon.session_watch import watch
from kumofs.daemon.upkeep import keep_up
from kumofs.errors import CatalogUnavailable, MountFailed
from kumofs.fs import feed, saving, session
from kumofs.fs.drive import Drive, Kernel
from kumofs.fs.invalidation import Invalidation
from kumofs.fs.node import Node
from kumofs.fs.orphans import Orphans
from kumofs.fs.tree import Tree
from kumofs.offload import Lane
from kumofs.sharing.access import Access
from kumofs.staging.area import StagingArea
from kumofs.store import open_store
from kumofs.store.protocol import Store

log = logging.getLogger(__name__)

CATALOG_THREADS = 16
"""Calls of a catalog that is not called on the loop; each a round trip."""
UPLOAD_THREADS = 4
DISK_THREADS = 8
"""On one machine more threads only wait for each other."""
REMOTE_THREADS = 64
"""A thread that waits for a remote store costs nothing: as many files at once go up, and as many come down."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to mount."""

    read_only: bool = False
    allow_other: bool = False


def run(settings: Settings, mount_point: Path, options: Options, ready: Callable[[], None]) -> None:
    """Mount and answer until unmounted or told to end. `ready` is called once. Raises what keeps it from mounting."""
    check_fuse()
    check_mount_point(mount_point)
    make_private_dir(settings.data_dir)
    raise_open_files()
    token = read_token(settings.config_dir)
    engine = open_engine(settings.catalog)
    try:
        user = check_session(engine, token)
        store = open_store(settings.store, settings.s3)
        area = StagingArea.open(settings.state_dir, user.home)
        with announced(settings, mount_point) as place:
            trio.run(Mount(engine, store, area, user, token, mount_point, options, place, ready).run)
        area.close()
        store.close()
    finally:
        engine.close()


def raise_open_files() -> None:
    """Each open file of a program is one or two of ours."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclass(slots=True)
class Mount:
    """The process of one mount."""

    engine: Engine
    store: Store
    area: StagingArea
    user: User
    token: str
    mount_point: Path
    options: Options
    place: Place
    ready: Callable[[], None]
    heartbeat: Heartbeat = field(default_factory=Heartbeat)

    async def run(self) -> None:
        """From the first look at the root to the last upload."""
        since_us = await trio.to_thread.run_sync(self.engine.now_us)
        kernel = Invalidation(self.user.root)
        drive = self.compose(kernel)
        waiting = await saving.replay(drive)
        if waiting:
            log.info("%d files that an earlier mount could not save are taken up", waiting)
        with session.mounted(drive, self.mount_point, read_only=self.options.read_only, allow_other=self.options.allow_other):
            try:
                await self.answer(drive, since_us)
            finally:
                kernel.close()
        left = [message async for message in drained(drive)][-1]["failed"]
        if left:
            log.error("%d files are not saved yet; they are kept in %s for the next mount", left, drive.area.directory)

    def compose(self, kernel: Kernel) -> Drive:
        """Everything the file system works with."""
        root = read_inode(self.engine, self.user.root)
        if root is None:
            raise CatalogUnavailable(f"the catalog has no root directory for {self.user.email}: is it the right catalog?")
        local = self.store.capabilities.local_files
        catalog = Lane(CATALOG_THREADS, self.engine.quick)
        uploads = Lane(UPLOAD_THREADS if local else REMOTE_THREADS)
        return Drive(
            engine=self.engine,
            store=self.store,
            area=self.area,
            access=Access(self.user.home, self.options.read_only),
            email=self.user.email,
            host=socket.gethostname(),
            tree=Tree(self.engine, catalog, root),
            numbers=Numbers(self.engine),
            orphans=Orphans(self.engine, self.store, uploads),
            catalog=catalog,
            uploads=uploads,
            disk=Lane(DISK_THREADS if local else REMOTE_THREADS),
            kernel=kernel,
        )

    async def answer(self, drive: Drive, since_us: int) -> None:
        """Answer the kernel and the control socket, with everything that goes on beside."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(end_on_signal, nursery.cancel_scope)
            nursery.start_soon(self.heartbeat.beat)
            nursery.start_soon(feed.follow, drive, since_us)
            nursery.start_soon(drive.orphans.run)
            nursery.start_soon(saving.retry, drive)
            nursery.start_soon(watch, drive, self.token)
            nursery.start_soon(keep_up, drive)
            await nursery.start(serve, self.place.socket, lambda request: self.reply(drive, request))
            self.ready()
            await session.answer()
            nursery.cancel_scope.cancel()

    async def reply(self, drive: Drive, request: Message) -> AsyncIterator[Message]:
        """What the control socket answers."""
        if request.get("do") == "status":
            yield self.status(drive)
        elif request.get("do") == "drain":
            with trio.CancelScope(shield=True):
                async for message in drained(drive):
                    yield message
        else:
            yield {"error": "unknown request"}

    def status(self, drive: Drive) -> Message:
        """What the mount is, and what is still on its way."""
        waiting = staged(drive)
        return {
            "mount_point": str(self.mount_point),
            "email": self.user.email,
            "home": self.user.home,
            "read_only": self.options.read_only,
            "ended": drive.access.ended,
            "pending": len(waiting),
            "pending_bytes": sum(node.size for node in waiting),
            "loop_stall_ms_max": round(self.heartbeat.worst_s * 1000, 1),
            "errors": [f"{node.ino}: {node.staged.error}" for node in waiting if node.staged and node.staged.error][:20],
        }


def staged(drive: Drive) -> list[Node]:
    """The nodes whose bytes are not in the store yet."""
    return [node for node in drive.tree.nodes() if node.staged is not None and node.inode.names]


async def drained(drive: Drive) -> AsyncIterator[Message]:
    """Save everything; a message before each file, and one at the end."""
    waiting = staged(drive)
    failed = 0
    for number, node in enumerate(waiting):
        yield {"left": len(waiting) - number}
        failed += await saving.save_all(drive, [node])
    await drive.orphans.strip_all()
    yield {"left": 0, "done": True, "failed": failed}


async def end_on_signal(scope: trio.CancelScope) -> None:
    """SIGTERM and SIGINT end the mount: it is unmounted, and what is staged is saved or kept."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            log.info("%s: ending", signal.Signals(number).name)
            scope.cancel()


def must_be_mounted(mount_point: Path) -> None:
    """Raise MountFailed where the mount does not answer."""
    try:
        mount_point.stat()
    except OSError as problem:
        raise MountFailed(f"{mount_point} does not answer: {problem.strerror}") from problem
