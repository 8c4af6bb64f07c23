"""Occupants: the programs that use a mount, found without touching it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from kumofs.daemon.connection import answered_within

SCAN_S = 10.0


class Occupant(NamedTuple):
    """A process that has a file of the mount open, works in one of its folders, or runs or maps one of its files."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.pid})"


def occupants(mount_point: Path) -> list[Occupant]:
    """Those that this user may see; root sees all."""
    found: list[Occupant] = []
    # in a thread: a process that waits for a mount that hangs may itself not let its mappings be read
    answered_within(SCAN_S, lambda: found.extend(scan(mount_point)))
    return sorted(found)


def scan(mount_point: Path) -> Iterator[Occupant]:
    """Each process that uses the mount."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and uses(process, str(mount_point)):
            yield Occupant(int(process.name), name_of(process))


def uses(process: Path, mount_point: str) -> bool:
    """Whether any path that a process holds lies in the mount."""
    return any(path == mount_point or path.startswith(f"{mount_point}/") for path in held_paths(process))


def held_paths(process: Path) -> Iterator[str]:
    """What a process has open or mapped, works in and runs, as the kernel names it."""
    links = [process / "cwd", process / "root", process / "exe"]
    with suppress(OSError):  # it ended, or is somebody else's
        links += (process / "fd").iterdir()
    for link in links:
        with suppress(OSError):
            yield str(link.readlink())
    try:
        yield from (line.split(maxsplit=5)[5] for line in (process / "maps").read_text().splitlines() if line.count("/"))
    except (OSError, IndexError, ValueError):
        return


def name_of(process: Path) -> str:
    """What a person knows the process by."""
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "?"


def listed(found: list[Occupant], shown_max: int = 5) -> str:
    """The programs in a sentence; empty where none is known."""
    names = ", ".join(str(occupant) for occupant in found[:shown_max])
    return names + (f" and {len(found) - shown_max} more" if len(found) > shown_max else "")
