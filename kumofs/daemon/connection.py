"""The FUSE connection of a mount: found, aborted and detached without touching the mount itself, which may not answer."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from kumofs.errors import MountPointBusy

MOUNTS = Path("/proc/self/mountinfo")
CONTROL = Path("/sys/fs/fuse/connections")
UMOUNT_S = 30
MNT_FORCE, MNT_DETACH, UMOUNT_NOFOLLOW = 1, 2, 8
C = ctypes.CDLL(None, use_errno=True)


def minor_of(path: Path) -> int | None:
    """The number of the FUSE connection that is mounted on a directory; None where none is."""
    found = None
    for line in os.fsencode(MOUNTS.read_text(errors="surrogateescape")).splitlines():
        fields, _, kind = line.partition(b" - ")
        _, _, device, _, target, *_ = fields.split(b" ")
        if kind.startswith(b"fuse") and unescaped(target) == os.fsencode(path):
            found = int(device.split(b":")[1])  # the last one covers those before it
    return found


def unescaped(target: bytes) -> bytes:
    """A path as the kernel shows it, with its octal escapes (space, tab, newline, backslash) undone."""
    return re.sub(rb"\\(\d{3})", lambda match: bytes([int(match[1], 8)]), target)


def abort(path: Path) -> None:
    """End the connection: whatever waits for an answer gets an error. Does nothing where there is none."""
    minor = minor_of(path)
    if minor is None:
        return
    control = CONTROL / str(minor) / "abort"
    if os.getuid() == 0 and not control.exists():
        C.mount(b"none", os.fsencode(CONTROL), b"fusectl", 0, None)
    try:
        control.write_text("1")
    except OSError:
        if os.getuid() == 0:
            C.umount2(os.fsencode(path), MNT_FORCE | UMOUNT_NOFOLLOW)


def detach(path: Path) -> None:
    """Take the mount out of the tree at once; programs that use it keep what they have. MountPointBusy where it may not."""
    if os.getuid() == 0:
        if C.umount2(os.fsencode(path), MNT_DETACH | UMOUNT_NOFOLLOW) != 0:
            raise MountPointBusy(f"{path} cannot be unmounted: {os.strerror(ctypes.get_errno())}")
        return
    command = ["fusermount3", "-u", "-z", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=UMOUNT_S, check=False)  # noqa: S603
    if done.returncode != 0:
        raise MountPointBusy(f"{path} cannot be unmounted ({done.stderr.strip()})")


def flush(path: Path) -> None:
    """Have the kernel write what programs changed through a mapping of a file."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        C.syncfs(fd)
    finally:
        os.close(fd)


def answered_within(timeout_s: float, touch: Callable[[], object]) -> bool:
    """Whether a call that touches a mount came back in time. One that did not stays behind in a thread of its own."""
    ended = threading.Event()

    def work() -> None:
        try:
            touch()
        except OSError:
            pass  # an error is an answer
        finally:
            ended.set()

    threading.Thread(target=work, daemon=True).start()
    return ended.wait(timeout_s)
