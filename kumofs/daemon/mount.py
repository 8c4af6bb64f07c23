"""A mount, composed: session, engine, store, staging area and tree become a drive; the kernel is answered until it ends."""

from __future__ import annotations

import logging
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from kumofs.accounts.emails import normalise_email
from kumofs.accounts.sessions import check_session
from kumofs.accounts.token_file import read_token
from kumofs.accounts.users import User
from kumofs.cache.disk import open_disk_cache
from kumofs.cache.window import SHARED
from kumofs.catalog import open_engine
from kumofs.catalog.claims import read_inode
from kumofs.catalog.numbers import Numbers
from kumofs.catalog.port import Engine
from kumofs.config import Settings, make_private_dir
from kumofs.daemon import replies
from kumofs.daemon.control import Message, serve
from kumofs.daemon.heartbeat import Heartbeat
from kumofs.daemon.lasting import lasting
from kumofs.daemon.mount_point import check_fuse, check_mount_point
from kumofs.daemon.options import Options, Ownership
from kumofs.daemon.runtime import Place, alive, announced, place_of
from kumofs.daemon.service import Service
from kumofs.daemon.session_watch import watch
from kumofs.daemon.upkeep import abort_left, keep_up
from kumofs.errors import CatalogUnavailable, MountFailed, NotSignedIn
from kumofs.fs import bounding, feed, saving, session, settling, streaming
from kumofs.fs.drive import Drive, Kernel
from kumofs.fs.invalidation import Invalidation
from kumofs.fs.orphans import Orphans
from kumofs.fs.outbox import Outbox
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
ROOT_NUMBER = 1
"""What the kernel calls the root of every mount."""


def run(settings: Settings, mount_point: Path, options: Options, ready: Callable[[], None]) -> None:
    """Mount and answer until unmounted or told to end. `ready` is called once. Raises what keeps it from mounting."""
    service = Service.taken_from(os.environ)
    check_fuse()
    check_mount_point(mount_point, owned=alive(place_of(settings, mount_point)) is not None)
    make_private_dir(settings.data_dir)
    raise_open_files()
    token = read_token(settings.config_dir)
    engine = open_engine(settings.catalog)
    try:
        user = check_session(engine, token)
        check_source(user, options.source)
        store = open_store(settings.store, settings.s3)
        area = StagingArea.open(settings.state_dir, user.home)
        SHARED.disk = None if store.capabilities.local_files else open_disk_cache(settings)
        with announced(settings, mount_point) as place:
            trio.run(Mount(settings, engine, store, area, user, token, mount_point, options, place, service, ready).run)
        SHARED.whole_files.close()
        if SHARED.disk is not None:
            SHARED.disk.close()
        area.close()
        store.close()
    finally:
        engine.close()


def check_source(user: User, source: str) -> None:
    """Raise NotSignedIn where somebody else's drive is asked for."""
    if "@" in source and normalise_email(source) != user.email:
        raise NotSignedIn(f"the drive of {source} is asked for, but {user.email} is signed in here: `kumofs signin {source}`")


def raise_open_files() -> None:
    """Each open file of a program is one or two of ours."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclass(slots=True)
class Mount:
    """The process of one mount."""

    settings: Settings
    engine: Engine
    store: Store
    area: StagingArea
    user: User
    token: str
    mount_point: Path
    options: Options
    place: Place
    service: Service
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
        with session.mounted(drive, self.mount_point, self.options.source, self.options.wanted):
            try:
                await self.answer(drive, since_us)
            finally:
                self.service.tell(STOPPING=1)
                kernel.close()
        await saving.keep_all(drive)
        left = await self.send_rest(drive)
        await drive.tidying.tidy_all()
        if left:
            log.error("%d files are not saved yet; they are kept in %s for the next mount", left, drive.area.directory)

    async def send_rest(self, drive: Drive) -> int:
        """Upload what is left after the unmounting; how many files could not be."""
        failed = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drive.outbox.run, partial(saving.save, drive))
            async for message in replies.drained(drive):
                self.service.tell(STATUS=f"unmounted; {message['left']} files are still to be uploaded", WATCHDOG=1)
                failed = message.get("failed", failed)
            nursery.cancel_scope.cancel()
        return failed

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
            outbox=Outbox(self.area),
            write_through=self.options.write_through,
            deadline_s=self.settings.deadline_s,
            disk_cache=SHARED.disk,
            shown_owner=(os.getuid(), os.getgid()) if self.options.ownership is Ownership.MOUNTER else None,
        )

    async def answer(self, drive: Drive, since_us: int) -> None:
        """Answer the kernel and the control socket, with everything that goes on beside."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(end_on_signal, nursery.cancel_scope)
            nursery.start_soon(self.heartbeat.beat)
            nursery.start_soon(lasting, feed.follow, drive, since_us)
            nursery.start_soon(lasting, bounding.keep_bounded, drive)
            nursery.start_soon(lasting, drive.orphans.run)
            nursery.start_soon(lasting, drive.outbox.run, partial(saving.save, drive))
            nursery.start_soon(lasting, settling.Settler(drive).run)
            nursery.start_soon(lasting, drive.ahead.run)
            nursery.start_soon(lasting, streaming.Streamer(drive).run)
            nursery.start_soon(lasting, watch, drive, self.token)
            nursery.start_soon(lasting, keep_up, drive)
            nursery.start_soon(lasting, abort_left, drive)
            nursery.start_soon(lasting, drive.tidying.run)
            await nursery.start(serve, self.place.socket, lambda request: self.reply(drive, request))
            self.ready()
            nursery.start_soon(self.service.accompany, self.mount_point, lambda: self.line(drive))
            await session.answer()
            nursery.cancel_scope.cancel()

    async def reply(self, drive: Drive, request: Message) -> AsyncIterator[Message]:
        """What the control socket answers."""
        match request:
            case {"do": "status"}:
                yield {**self.status(drive), **replies.status(drive)}
            case {"do": "drain"}:
                with trio.CancelScope(shield=True):
                    async for message in replies.drained(drive):
                        yield message
            case {"do": "sync"}:
                async for message in replies.synced(drive, self.within(request)):
                    yield message
            case {"do": "warm"}:
                async for message in replies.warmed(drive, self.within(request)):
                    yield message
            case {"do": "settle"}:
                async for message in replies.settled(drive):
                    yield message
            case _:
                yield {"error": "unknown request"}

    def within(self, request: Message) -> int | None:
        """The inode that a request is about, by the number that the kernel knows it by; None: everything."""
        number = request.get("inode")
        return self.user.root if number == ROOT_NUMBER else number

    def status(self, drive: Drive) -> Message:
        """What the mount is."""
        return {
            "mount_point": str(self.mount_point),
            "email": self.user.email,
            "home": self.user.home,
            "read_only": self.options.read_only,
            "write_through": self.options.write_through,
            "ended": drive.access.ended,
            "loop_stall_ms_max": round(self.heartbeat.worst_s * 1000, 1),
        }

    def line(self, drive: Drive) -> str:
        """The status in one line."""
        waiting = f"{len(drive.outbox)} files on their way" if len(drive.outbox) else "everything uploaded"
        return f"{self.mount_point} for {self.user.email}: {drive.access.ended or waiting}"


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
