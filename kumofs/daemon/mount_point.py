"""Mount points: what has to be true of one before, and how one is let go of."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

from kumofs.errors import FuseUnavailable, MountPointBusy, MountPointMissing, MountPointNotEmpty

UNMOUNT_S = 30
ALWAYS_ASKED = "user.kumo.created"
"""An attribute that a living mount knows at once. What stat shows, the kernel may remember after the mount's death."""


def check_fuse() -> None:
    """Raise FuseUnavailable where no file system can be mounted."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise FuseUnavailable("/dev/fuse is missing or closed to you: load the fuse module (`modprobe fuse`)")
    if shutil.which("fusermount3") is None:
        raise FuseUnavailable("fusermount3 was not found: install the package fuse3")


def check_mount_point(path: Path) -> None:
    """Raise MountPointMissing, MountPointBusy or MountPointNotEmpty; a mount left dead by a kill is cleared away."""
    if is_dead(path):
        unmount(path, lazy=True)
    if not path.is_dir():
        raise MountPointMissing(f"{path} is no directory: make it with `mkdir -p {path}`")
    if os.path.ismount(path):
        raise MountPointBusy(f"something is mounted on {path} already: unmount it, or choose another directory")
    try:
        empty = not any(path.iterdir())
    except OSError as problem:
        raise MountPointMissing(f"{path} cannot be read: {problem.strerror}") from problem
    if not empty:
        raise MountPointNotEmpty(f"{path} has files in it, which a mount would hide: choose an empty directory")


def is_dead(path: Path) -> bool:
    """Whether a FUSE mount is there whose process has ended."""
    try:
        path.stat()
        os.getxattr(path, ALWAYS_ASKED)
    except OSError as problem:
        return problem.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    return False


def unmount(path: Path, *, lazy: bool = False) -> None:
    """Unmount. MountPointBusy where programs still use it."""
    command = ["umount", *(["-l"] if lazy else []), str(path)]
    if os.getuid() != 0:
        command = ["fusermount3", "-u", *(["-z"] if lazy else []), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=UNMOUNT_S, check=False)  # noqa: S603
    if done.returncode != 0:
        raise MountPointBusy(f"{path} cannot be unmounted ({done.stderr.strip()}): close the programs that use it")
