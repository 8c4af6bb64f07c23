"""Between nodes and pyfuse3's structures: attributes, changes, and the root's two numbers (FUSE calls every root 1)."""

from __future__ import annotations

import stat

import pyfuse3

from kumofs.fs.changing import Change
from kumofs.fs.drive import Drive
from kumofs.fs.node import Node
from kumofs.fs.space import BLOCK_BYTES, INODES, Room
from kumofs.model import NAME_MAX_BYTES, Kind

TIMEOUT_S = 10.0
"""How long the kernel keeps what it was told. The feed takes back what others change, so this bounds only its failure."""
IO_BYTES = 1 << 20
"""What programs are told to read and write at a time."""
SECTOR_BYTES = 512

TYPE_BITS = {
    Kind.FILE: stat.S_IFREG,
    Kind.DIR: stat.S_IFDIR,
    Kind.SYMLINK: stat.S_IFLNK,
    Kind.FIFO: stat.S_IFIFO,
    Kind.SOCKET: stat.S_IFSOCK,
    Kind.CHAR: stat.S_IFCHR,
    Kind.BLOCK: stat.S_IFBLK,
}
KINDS = {bits: kind for kind, bits in TYPE_BITS.items()}


def fuse_number(ino: int, root: int) -> pyfuse3.InodeT:
    """What the kernel calls an inode."""
    return pyfuse3.ROOT_INODE if ino == root else pyfuse3.InodeT(ino)


def attributes(drive: Drive, node: Node) -> pyfuse3.EntryAttributes:
    """What stat shows of a node."""
    inode = node.inode
    entry = pyfuse3.EntryAttributes()
    entry.st_ino = fuse_number(inode.ino, drive.tree.root.ino)
    entry.generation = 0
    entry.entry_timeout = entry.attr_timeout = TIMEOUT_S
    entry.st_mode = pyfuse3.ModeT(TYPE_BITS[inode.kind] | inode.mode)
    entry.st_nlink = node.nlink
    entry.st_uid, entry.st_gid = drive.shown_owner or (inode.uid, inode.gid)
    entry.st_rdev = inode.rdev
    entry.st_size = size = node.size
    entry.st_blksize = IO_BYTES
    entry.st_blocks = -(-size // SECTOR_BYTES)
    entry.st_atime_ns, entry.st_mtime_ns, entry.st_ctime_ns = inode.atime_ns, node.mtime_ns, node.ctime_ns
    return entry


def wanted(attr: pyfuse3.EntryAttributes, fields: pyfuse3.SetattrFields) -> Change:
    """What a setattr asks for."""
    return Change(
        mode=stat.S_IMODE(attr.st_mode) if fields.update_mode else None,
        uid=attr.st_uid if fields.update_uid else None,
        gid=attr.st_gid if fields.update_gid else None,
        size=attr.st_size if fields.update_size else None,
        atime_ns=attr.st_atime_ns if fields.update_atime else None,
        mtime_ns=attr.st_mtime_ns if fields.update_mtime else None,
    )


def statvfs(room: Room) -> pyfuse3.StatvfsData:
    """What df shows."""
    data = pyfuse3.StatvfsData()
    data.f_bsize = data.f_frsize = BLOCK_BYTES
    data.f_blocks = room.blocks
    data.f_bfree = data.f_bavail = room.free_blocks
    data.f_files = data.f_ffree = data.f_favail = INODES
    data.f_namemax = NAME_MAX_BYTES
    return data
