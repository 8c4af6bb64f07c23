"""Mount points: what has to be true of one before, and how one is let go of."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from enum import Enum
from pathlib import Path

from kumofs.daemon import connection
from kumofs.daemon.occupants import listed, occupants
from kumofs.errors import FuseUnavailable, MountPointBusy, MountPointMissing, MountPointNotEmpty

DEVICE = Path("/dev/fuse")
UNMOUNT_S = 30
ANSWER_S = 10.0
"""How long a mount may take to say that it is there."""


class Life(Enum):
    """What a directory does when it is looked at."""

    ANSWERS = "answers"
    DEAD = "dead"
    SILENT = "silent"


def check_fuse(device: Path = DEVICE) -> None:
    """Raise FuseUnavailable where no file system can be mounted."""
    if not os.access(device, os.R_OK | os.W_OK):
        raise FuseUnavailable(f"{device} is missing or closed to you: load the fuse module (`modprobe fuse`)")
    if shutil.which("fusermount3") is None:
        raise FuseUnavailable("fusermount3 was not found: install the package fuse3")


def check_mount_point(path: Path, *, owned: bool) -> None:
    """Raise MountPointMissing, MountPointBusy or MountPointNotEmpty; a mount left dead by a kill is cleared away.

    `owned`: whether the process of a mount of ours is alive there.
    """
    if not owned:
        clear_dead(path)
    if connection.minor_of(path) is not None:
        raise MountPointBusy(f"something is mounted on {path} already: unmount it, or choose another directory")
    if not path.is_dir():
        raise MountPointMissing(f"{path} is no directory: make it with `mkdir -p {path}`")
    if os.path.ismount(path):
        raise MountPointBusy(f"something is mounted on {path} already: unmount it, or choose another directory")
    try:
        empty = not any(path.iterdir())
    except OSError as problem:
        raise MountPointMissing(f"{path} cannot be read: {problem.strerror}") from problem
    if os.getuid() != 0 and not os.access(path, os.W_OK):
        raise MountPointMissing(f"{path} is not yours, and FUSE mounts for a user only on what is: chown it, or choose another")
    if not empty:
        raise MountPointNotEmpty(f"{path} has files in it, which a mount would hide: choose an empty directory")


def clear_dead(path: Path) -> bool:
    """Clear away a mount whose process has ended; whether there was one. The caller knows that no process of ours lives.

    One that does not even give an error belongs to a process that was killed and hangs in the kernel: it is aborted.
    """
    cleared = False
    while connection.minor_of(path) is not None and (life := life_of(path)) is not Life.ANSWERS:
        if life is Life.SILENT:
            connection.abort(path)
        connection.detach(path)
        cleared = True
    return cleared


def life_of(path: Path) -> Life:
    """What a mount does when it is looked at."""
    seen: list[int] = []

    def look() -> None:
        try:
            os.statvfs(path)  # never answered from the kernel's memory, as stat may be
            seen.append(0)
        except OSError as problem:
            seen.append(problem.errno or errno.EIO)

    if not connection.answered_within(ANSWER_S, look):
        return Life.SILENT
    return Life.DEAD if seen[0] in (errno.ENOTCONN, errno.ECONNABORTED) else Life.ANSWERS


def unmount(path: Path) -> None:
    """Unmount. MountPointBusy where programs still use it, and says which."""
    command = ["umount", str(path)] if os.getuid() == 0 else ["fusermount3", "-u", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=UNMOUNT_S, check=False)  # noqa: S603
    if done.returncode == 0:
        return
    programs = listed(occupants(path))
    if programs:
        raise MountPointBusy(f"{path} is in use: close the programs that use it ({programs}), or `kumofs umount --force`")
    raise MountPointBusy(
        f"{path} cannot be unmounted ({done.stderr.strip()}): close the programs that use it, or `kumofs umount --force`"
    )
