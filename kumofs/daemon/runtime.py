"""The mounts that run on this machine: a pid file and a control socket each, under the runtime directory."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from kumofs.config import SYSTEM_RUNTIME, Settings, make_private_dir
from kumofs.errors import NotMounted

SIGKILL_BIT = 1 << (signal.SIGKILL - 1)


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one mount; their name is a hash of the mount point, for socket paths may have only 107 bytes."""

    pid_file: Path
    socket: Path
    log_file: Path


def runtime_dirs(settings: Settings) -> tuple[Path, ...]:
    """Where mounts of this user may be found: those of this environment, and those that the system made."""
    return tuple(dict.fromkeys((settings.runtime_dir, SYSTEM_RUNTIME / str(os.getuid()) / "kumofs")))


def place_of(settings: Settings, mount_point: Path, runtime: Path | None = None) -> Place:
    """Where a mount keeps its files."""
    name = sha256(os.fsencode(mount_point)).hexdigest()[:16]
    runtime = runtime or settings.runtime_dir
    return Place(runtime / f"{name}.pid", runtime / f"{name}.sock", settings.state_dir / "log" / f"{name}.log")


@contextmanager
def announced(settings: Settings, mount_point: Path) -> Iterator[Place]:
    """The pid file is there as long as the mount is."""
    make_private_dir(settings.runtime_dir)
    place = place_of(settings, mount_point)
    place.pid_file.write_text(f"{os.getpid()}\n")
    try:
        yield place
    finally:
        place.pid_file.unlink(missing_ok=True)
        place.socket.unlink(missing_ok=True)


def running(settings: Settings) -> list[Place]:
    """The mounts whose process is alive; what dead ones left is removed."""
    found = []
    for pid_file in [path for runtime in runtime_dirs(settings) for path in sorted(runtime.glob("*.pid"))]:
        place = Place(pid_file, pid_file.with_suffix(".sock"), settings.state_dir / "log" / f"{pid_file.stem}.log")
        if alive(place) is not None:
            found.append(place)
        else:
            pid_file.unlink(missing_ok=True)
            place.socket.unlink(missing_ok=True)
    return found


def find_running(settings: Settings, mount_point: Path) -> Place:
    """The running mount of a mount point. NotMounted."""
    for runtime in runtime_dirs(settings):
        place = place_of(settings, mount_point, runtime)
        if alive(place) is not None:
            return place
    raise NotMounted(f"no kumofs is mounted on {mount_point}: `kumofs status` shows what is")


def alive(place: Place) -> int | None:
    """The process of a mount, if it is still there: not one that was killed, even where the kernel still holds it."""
    try:
        pid = int(place.pid_file.read_text())
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (OSError, ValueError):
        return None
    status = dict(line.split(":", 1) for line in lines if ":" in line)
    killed = any(int(status.get(pending, "0"), 16) & SIGKILL_BIT for pending in ("SigPnd", "ShdPnd"))
    return None if killed or status.get("State", "").strip()[:1] in ("Z", "X") else pid
