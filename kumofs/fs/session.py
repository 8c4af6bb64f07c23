"""One FUSE session: mount, answer until unmounted, clean up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyfuse3

from kumofs.errors import FuseUnavailable
from kumofs.fs.drive import Drive
from kumofs.fs.operations import Operations

TASKS_MAX = 256
"""Requests answered at a time; more wait in the kernel. Many may wait for uploads while others are answered from memory."""


@contextmanager
def mounted(drive: Drive, mount_point: Path, *, read_only: bool, allow_other: bool) -> Iterator[None]:
    """Mounted from here on; `answer` has to run. Unmounted at the end, if nobody did before. FuseUnavailable."""
    options = {"fsname=kumofs", "subtype=kumofs", "default_permissions"}
    if read_only:
        options.add("ro")
    if allow_other:
        options.add("allow_other")
    try:
        pyfuse3.init(Operations(drive), str(mount_point), options)
    except RuntimeError as problem:
        raise FuseUnavailable(
            f"FUSE would not mount {mount_point} ({problem}): is /dev/fuse there, the package fuse3 installed, "
            "and, for --allow-other, user_allow_other set in /etc/fuse.conf?"
        ) from problem
    try:
        yield
    finally:
        pyfuse3.close(unmount=True)


async def answer() -> None:
    """Answer the kernel until the file system is unmounted, or the caller is cancelled."""
    await pyfuse3.main(max_tasks=TASKS_MAX)
