"""The path of an inode, and the inode of a path: for keys, for `kumofs find`, for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

from kumofs.catalog.claims import read_inode
from kumofs.catalog.inodes import lookup
from kumofs.catalog.port import Engine
from kumofs.model import ROOT_NAME, Inode, name_of, parent_of

DEPTH_MAX = 2048
"""Levels followed upwards; deeper, or a chain that moves under the reader, is "no path"."""


def path_of(engine: Engine, inode: Inode) -> tuple[str, ...] | None:
    """Components of the inode's first name from its root, () for the root itself; None where it has no name (any more)."""
    return path_by(partial(read_inode, engine), inode)


def paths_of(engine: Engine, inodes: Sequence[Inode]) -> list[tuple[str, ...] | None]:
    """The same of many inodes; each directory above them is read once."""
    read = cache(partial(read_inode, engine))
    return [path_by(read, inode) for inode in inodes]


def path_by(read: Callable[[int], Inode | None], inode: Inode) -> tuple[str, ...] | None:
    """The same, with the function that reads an inode."""
    parts: list[str] = []
    current: Inode | None = inode
    for _ in range(DEPTH_MAX):
        if current is None or not current.names:
            return None
        first = current.names[0]
        if first == ROOT_NAME:
            return tuple(reversed(parts))
        parts.append(name_of(first))
        current = read(parent_of(first))
    return None


def inode_at(engine: Engine, root: int, path: tuple[str, ...]) -> Inode | None:
    """The inode under a path, symlinks not followed; None where a component is missing."""
    inode = read_inode(engine, root)
    for name in path:
        if inode is None:
            return None
        inode = lookup(engine, inode.ino, name)
    return inode
