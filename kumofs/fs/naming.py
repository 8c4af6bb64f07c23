"""Verbs that change names: create, mkdir, mknod, symlink, link, unlink, rmdir, rename.

The rules are the catalog's; here the tree learns what was done. The kernel holds the directory's lock meanwhile, so the
verbs of one directory come one after another.
"""

from __future__ import annotations

import time
from dataclasses import replace

from kumofs.catalog import create as creating
from kumofs.catalog import link as linking
from kumofs.catalog import rename as renaming
from kumofs.catalog import rmdir as removing
from kumofs.catalog import unlink as unlinking
from kumofs.catalog.clean_names import Taken
from kumofs.errors import BadName, InvalidArgument, NameTooLong, NotFound
from kumofs.fs.drive import Caller, Drive, decode_name
from kumofs.fs.node import Node
from kumofs.model import TARGET_MAX_BYTES, Inode, Kind, entry_id

MODE_BITS = 0o7777
SETGID = 0o2000


async def lookup(drive: Drive, parent: int, name: bytes) -> Node:
    """The node under a name. NotFound."""
    drive.access.may_read()
    return await drive.tree.child(drive.tree.directory(parent), decode_name(name))


async def make(
    drive: Drive, parent: int, name: bytes, kind: Kind, mode: int, caller: Caller, *, target: str | None = None, rdev: int = 0
) -> Node:
    """A new inode under a new name. Exists, NotFound (the parent is gone), BadName, NameTooLong."""
    drive.access.may_write()
    directory = drive.tree.directory(parent)
    text = decode_name(name)
    draft = new_inode(drive, directory, kind, mode, caller, target, rdev)
    before = directory.generation
    inode = await drive.catalog.run(creating.create, drive.engine, drive.numbers, directory.ino, text, draft)
    node = drive.tree.adopt(inode)
    node.maker_pid = caller.pid
    drive.tree.remember(node)  # while others' changes of the name are looked at
    await note_name(drive, directory, text, node, before)
    node.lookups -= 1
    if kind is Kind.DIR:
        drive.tree.begin_empty(node)
    touched(directory, draft.ctime_ns)
    return node


async def symlink(drive: Drive, parent: int, name: bytes, target: bytes, caller: Caller) -> Node:
    """A symbolic link. NameTooLong for a target over 4,095 bytes, BadName for one that is not UTF-8."""
    if len(target) > TARGET_MAX_BYTES:
        raise NameTooLong(f"a symlink's target has at most {TARGET_MAX_BYTES} bytes")
    try:
        text = target.decode()
    except UnicodeDecodeError:
        raise BadName("a symlink's target must be UTF-8") from None
    return await make(drive, parent, name, Kind.SYMLINK, 0o777, caller, target=text)


async def link(drive: Drive, ino: int, parent: int, name: bytes) -> Node:
    """One more name for a file. Exists, NotFound, NotPermitted, TooManyLinks."""
    drive.access.may_write()
    directory, text, now_ns = drive.tree.directory(parent), decode_name(name), time.time_ns()
    before = directory.generation
    inode = await drive.catalog.run(linking.link, drive.engine, ino, directory.ino, text, now_ns)
    node = drive.tree.adopt(inode)
    await note_name(drive, directory, text, node, before)
    touched(directory, now_ns)
    return node


async def unlink(drive: Drive, parent: int, name: bytes) -> None:
    """Take a file's name away; what nobody has open is reclaimed. NotFound, IsDirectory."""
    drive.access.may_write()
    directory, text, now_ns = drive.tree.directory(parent), decode_name(name), time.time_ns()
    before = directory.generation
    inode = await take_name(drive, directory, text, now_ns)
    if inode is None:
        inode = await drive.catalog.run(unlinking.unlink, drive.engine, directory.ino, text, now_ns)
    node = drive.tree.adopt(inode)
    node.lose(entry_id(directory.ino, text))
    touched(directory, now_ns)
    await note_name(drive, directory, text, None, before)
    if inode.names and inode.moved_us:
        drive.moved.add(inode.ino)  # another name is the first now
    let_go(drive, node)


async def take_name(drive: Drive, directory: Node, name: str, now_ns: int) -> Inode | None:
    """Unlink a file that this mount knows, in one step; the rest of it goes on behind the answer. None: look closer."""
    node = drive.tree.known_child(directory, name)
    if node is None or node.is_dir:
        return None
    name_id = entry_id(directory.ino, name)
    inode = await drive.catalog.run(unlinking.take_name, drive.engine, node.inode, name_id, now_ns)
    if inode is not None:
        directory.untold_ns = now_ns
        drive.tidying.add(Taken(name_id, inode.ino, now_ns))
    return inode


async def rmdir(drive: Drive, parent: int, name: bytes) -> None:
    """Remove an empty directory. NotFound, NotDirectory, NotEmpty."""
    drive.access.may_write()
    directory, text, now_ns = drive.tree.directory(parent), decode_name(name), time.time_ns()
    doomed = drive.tree.known_child(directory, text)
    if doomed is not None:
        await drive.tidying.wait_tidy(doomed.ino)
    before = directory.generation
    ino = await drive.catalog.run(removing.rmdir, drive.engine, directory.ino, text, now_ns)
    touched(directory, now_ns)
    node = drive.tree.find(ino)
    await note_name(drive, directory, text, None, before)
    if node is not None:
        node.lose(entry_id(directory.ino, text))
        await drive.tree.refresh(node)
        let_go(drive, node)
    else:
        drive.orphans.add(ino)


async def rename(drive: Drive, parent: int, name: bytes, new_parent: int, new_name: bytes, *, may_replace: bool) -> None:
    """Rename, over what is there unless `may_replace` is false.

    NotFound, Exists, NotEmpty, IsDirectory, NotDirectory, InvalidArgument (a directory into itself).
    """
    drive.access.may_write()
    source, target = drive.tree.directory(parent), drive.tree.directory(new_parent)
    old, new, now_ns = decode_name(name), decode_name(new_name), time.time_ns()
    if (source.ino, old) == (target.ino, new):
        await drive.tree.child(source, old)
        return
    before = source.generation, target.generation
    done = await drive.catalog.run(
        renaming.rename, drive.engine, entry_id(source.ino, old), entry_id(target.ino, new), now_ns, may_replace
    )
    node = drive.tree.adopt(done.inode)
    drive.moved.add(node.ino)
    if entry_id(source.ino, old) in done.inode.names:
        return  # two names of one file: both stay
    victim = drive.tree.find(done.replaced) if done.replaced is not None else None
    node.lose(entry_id(source.ino, old))
    undisturbed = before == (source.generation, target.generation)
    await note_name(drive, target, new, node, target.generation if undisturbed else -1)
    await note_name(drive, source, old, None, source.generation if undisturbed else -1)
    touched(source, now_ns)
    touched(target, now_ns)
    if victim is not None:
        victim.lose(entry_id(target.ino, new))
        await drive.tree.refresh(victim)
        let_go(drive, victim)
    elif done.replaced is not None:
        drive.orphans.add(done.replaced)


async def note_name(drive: Drive, directory: Node, name: str, node: Node | None, before: int) -> None:
    """A change of ours: a name stands for the node now, or for nothing.

    Where the directory changed meanwhile (its generation is not `before`) others may have been there after us: look.
    """
    if node is not None:
        node.gain(entry_id(directory.ino, name))
    if directory.generation != before:
        await drive.tree.look_again(directory, name)
    elif node is not None:
        drive.tree.add_name(directory, name, node)
    else:
        drive.tree.drop_name(directory, name)


def let_go(drive: Drive, node: Node) -> None:
    """An inode lost a name: with its last one, and nobody having it open, it is reclaimed."""
    if node.inode.names or node.opens or node.opening:
        drive.tree.drop_unused(node)
        return
    if node.staged is not None and not node.busy:
        drive.outbox.discard(node)
        node.staged.forget()
        node.staged = None
    drive.orphans.add(node.ino)
    drive.tree.drop_unused(node)


def touched(directory: Node, now_ns: int) -> None:
    """The catalog noted the change of a directory's names; so do we."""
    directory.inode = replace(directory.inode, mtime_ns=now_ns, ctime_ns=now_ns)


def new_inode(drive: Drive, directory: Node, kind: Kind, mode: int, caller: Caller, target: str | None, rdev: int) -> Inode:
    """What a new inode begins as; in a set-group-id directory it takes the directory's group."""
    now_ns = time.time_ns()
    gid, bits = caller.gid, mode & MODE_BITS
    if directory.inode.mode & SETGID:
        gid = directory.inode.gid
        bits |= SETGID if kind is Kind.DIR else 0
    return Inode(
        ino=0,
        home=drive.access.home,
        kind=kind,
        names=(),
        mode=bits,
        uid=caller.uid,
        gid=gid,
        rdev=rdev,
        atime_ns=now_ns,
        mtime_ns=now_ns,
        ctime_ns=now_ns,
        created_ns=now_ns,
        owner=drive.email,
        target=target,
    )


def readlink(drive: Drive, ino: int) -> bytes:
    """The target of a symlink. InvalidArgument for anything else."""
    drive.access.may_read()
    inode = drive.tree.node(ino).inode
    if inode.target is None:
        raise InvalidArgument(f"inode {ino} is no symlink")
    return inode.target.encode()


async def parent_dir(drive: Drive, node: Node) -> Node:
    """The directory above a directory, for "..": the root's is itself. NotFound where it was removed."""
    if node is drive.tree.root:
        return node
    if not node.inode.names:
        raise NotFound(f"inode {node.ino} has no name")
    ino = int(node.inode.names[0].split("/", 1)[0])
    found = drive.tree.find(ino)
    if found is None:
        raise NotFound(f"inode {ino}")
    return found
