"""The FUSE operations: one short handler a call. Semantics are elsewhere; see the package's docstring for where."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from typing import cast

import pyfuse3
from pyfuse3 import EntryAttributes, FileHandleT, FileInfo, FileNameT, FlagT, InodeT, ModeT, RequestContext, XAttrNameT

from kumofs.errors import InvalidArgument
from kumofs.fs import changing, listing, naming, opening, reading, saving, space, writing, xattrs
from kumofs.fs.attributes import KINDS, attributes, statvfs, wanted
from kumofs.fs.boundary import answered, unanswered
from kumofs.fs.drive import Drive
from kumofs.fs.node import Node
from kumofs.model import Kind

REPLACE_FLAGS = {0: True, pyfuse3.RENAME_NOREPLACE: False}


class Operations(pyfuse3.Operations):
    """What the kernel asks, answered by a drive."""

    supports_dot_lookup = False
    enable_writeback_cache = False  # with it on, a size changed elsewhere is never seen
    enable_acl = False

    def __init__(self, drive: Drive) -> None:
        super().__init__()
        self._drive = drive
        self.deadline_s = drive.deadline_s
        self._root = drive.tree.root.ino
        self._files = opening.OpenFiles()
        self._directories = listing.OpenDirectories()

    def _ino(self, inode: int) -> int:
        return self._root if inode == pyfuse3.ROOT_INODE else inode

    def _node(self, inode: int) -> Node:
        return self._drive.tree.node(self._ino(inode))

    def _entry(self, node: Node) -> EntryAttributes:
        """The attributes of a node that the kernel now remembers once more."""
        return self._told(self._drive.tree.remember(node))

    def _told(self, node: Node) -> EntryAttributes:
        """The attributes of a node, which the kernel will believe in for a while."""
        node.told = node.shown
        return attributes(self._drive, node)

    # names

    @answered
    async def lookup(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> EntryAttributes:
        return self._entry(await naming.lookup(self._drive, self._ino(parent_inode), name))

    @unanswered
    async def forget(self, inode_list: Sequence[tuple[InodeT, int]]) -> None:
        for inode, count in inode_list:
            self._drive.tree.forget(self._ino(inode), count)

    @answered
    async def mknod(self, parent_inode: InodeT, name: FileNameT, mode: ModeT, rdev: int, ctx: RequestContext) -> EntryAttributes:
        kind = KINDS.get(stat.S_IFMT(mode) or stat.S_IFREG)
        if kind is None or kind in (Kind.DIR, Kind.SYMLINK):
            raise InvalidArgument("mknod makes files, pipes, sockets and devices")
        node = await naming.make(self._drive, self._ino(parent_inode), name, kind, mode, ctx, rdev=rdev)
        if kind is Kind.FILE:
            await opening.save_empty(self._drive, node)
        return self._entry(node)

    @answered
    async def mkdir(self, parent_inode: InodeT, name: FileNameT, mode: ModeT, ctx: RequestContext) -> EntryAttributes:
        return self._entry(await naming.make(self._drive, self._ino(parent_inode), name, Kind.DIR, mode, ctx))

    @answered
    async def symlink(self, parent_inode: InodeT, name: FileNameT, target: FileNameT, ctx: RequestContext) -> EntryAttributes:
        return self._entry(await naming.symlink(self._drive, self._ino(parent_inode), name, target, ctx))

    @answered
    async def readlink(self, inode: InodeT, ctx: RequestContext) -> FileNameT:
        return FileNameT(naming.readlink(self._drive, self._ino(inode)))

    @answered
    async def link(self, inode: InodeT, new_parent_inode: InodeT, new_name: FileNameT, ctx: RequestContext) -> EntryAttributes:
        return self._entry(await naming.link(self._drive, self._ino(inode), self._ino(new_parent_inode), new_name))

    @answered
    async def unlink(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> None:
        await naming.unlink(self._drive, self._ino(parent_inode), name)

    @answered
    async def rmdir(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> None:
        await naming.rmdir(self._drive, self._ino(parent_inode), name)

    @answered
    async def rename(
        self,
        parent_inode_old: InodeT,
        name_old: FileNameT,
        parent_inode_new: InodeT,
        name_new: FileNameT,
        flags: FlagT,
        ctx: RequestContext,
    ) -> None:
        if flags not in REPLACE_FLAGS:
            raise InvalidArgument("two names cannot be exchanged")
        source, target = self._ino(parent_inode_old), self._ino(parent_inode_new)
        await naming.rename(self._drive, source, name_old, target, name_new, may_replace=REPLACE_FLAGS[flags])

    # attributes

    @answered
    async def getattr(self, inode: InodeT, ctx: RequestContext) -> EntryAttributes:
        self._drive.access.may_read()
        return self._told(self._node(inode))

    @answered
    async def setattr(
        self,
        inode: InodeT,
        attr: EntryAttributes,
        fields: pyfuse3.SetattrFields,
        fh: FileHandleT | None,
        ctx: RequestContext,
    ) -> EntryAttributes:
        node = self._node(inode)
        await changing.change(self._drive, node, wanted(attr, fields), opened=fh is not None, by_root=ctx.uid == 0)
        return self._told(node)

    @answered
    async def getxattr(self, inode: InodeT, name: XAttrNameT, ctx: RequestContext) -> bytes:
        return xattrs.get(self._drive, self._node(inode), name, ctx.pid)

    @answered
    async def listxattr(self, inode: InodeT, ctx: RequestContext) -> Sequence[XAttrNameT]:
        return [XAttrNameT(name) for name in xattrs.names(self._drive, self._node(inode))]

    @answered
    async def setxattr(self, inode: InodeT, name: XAttrNameT, value: bytes, ctx: RequestContext) -> None:
        await xattrs.put(self._drive, self._node(inode), name, value, ctx.pid)

    @answered
    async def removexattr(self, inode: InodeT, name: XAttrNameT, ctx: RequestContext) -> None:
        await xattrs.remove(self._drive, self._node(inode), name)

    @answered
    async def statfs(self, ctx: RequestContext) -> pyfuse3.StatvfsData:
        self._drive.access.may_read()
        return statvfs(await space.room(self._drive))

    # bytes

    @answered
    async def open(self, inode: InodeT, flags: FlagT, ctx: RequestContext) -> FileInfo:
        return self._opened(await opening.open_file(self._drive, self._ino(inode), flags, ctx))

    @answered
    async def create(
        self, parent_inode: InodeT, name: FileNameT, mode: ModeT, flags: FlagT, ctx: RequestContext
    ) -> tuple[FileInfo, EntryAttributes]:
        file = await opening.create_file(self._drive, self._ino(parent_inode), name, mode, flags, ctx)
        return self._opened(file), self._entry(file.node)

    def _opened(self, file: opening.OpenFile) -> FileInfo:
        return FileInfo(fh=FileHandleT(self._files.add(file)), keep_cache=file.keep_cache)

    @answered
    async def read(self, fh: FileHandleT, off: int, size: int) -> bytes:
        body = await reading.read(self._drive, self._files.get(fh).node, off, size)
        return cast(bytes, body)  # pyfuse3 takes any buffer

    @answered
    async def write(self, fh: FileHandleT, off: int, buf: bytes) -> int:
        file = self._files.get(fh)
        if file.uid != 0 and writing.loses_privileges(file.node.inode.mode):
            await changing.drop_privileges(self._drive, file.node)
        return await writing.write(self._drive, file.node, off, buf, appends=file.appends)

    @answered
    async def flush(self, fh: FileHandleT) -> None:
        file = self._files.get(fh)
        if file.writable:
            await saving.closed(self._drive, file.node)

    @answered
    async def fsync(self, fh: FileHandleT, datasync: bool) -> None:
        await saving.sync(self._drive, self._files.get(fh).node)

    @answered
    async def release(self, fh: FileHandleT) -> None:
        await opening.close_file(self._drive, self._files.remove(fh))

    # directories

    @answered
    async def opendir(self, inode: InodeT, ctx: RequestContext) -> FileHandleT:
        return FileHandleT(self._directories.add(await listing.open_directory(self._drive, self._ino(inode))))

    @answered
    async def readdir(self, fh: FileHandleT, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        opened = self._directories.get(fh)
        async for name, node, next_id in opened.entries(self._drive, start_id):
            if not pyfuse3.readdir_reply(token, FileNameT(name.encode()), attributes(self._drive, node), next_id):
                break
            if name not in (".", ".."):  # the kernel takes no reference to these
                self._drive.tree.remember(node).told = node.shown

    @answered
    async def fsyncdir(self, fh: FileHandleT, datasync: bool) -> None:
        await saving.sync(self._drive, None)

    @answered
    async def releasedir(self, fh: FileHandleT) -> None:
        opened = self._directories.remove(fh)
        opened.close(self._drive)
        self._drive.tree.drop_unused(opened.node)
