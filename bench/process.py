"""What a daemon costs: memory and CPU time of its process and of those below it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def tree(pid: int) -> list[int]:
    """The process and its descendants; empty where it has ended."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(path.parent.name)] = int(fields(path)[1])
    found = [pid] if pid in parents else []
    for parent in found:
        found += [child for child, above in parents.items() if above == parent]
    return found


def cpu_s(pid: int) -> float:
    """User and system time so far, seconds."""
    ticks = 0
    for one in tree(pid):
        with suppress(OSError):
            taken = fields(Path(f"/proc/{one}/stat"))
            ticks += int(taken[11]) + int(taken[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Resident memory now."""
    return memory_mib(pid, "VmRSS")


def peak_mib(pid: int) -> float:
    """The most resident memory since the start."""
    return memory_mib(pid, "VmHWM")


def memory_mib(pid: int, field: str) -> float:
    kib = 0
    for one in tree(pid):
        with suppress(OSError):
            lines = Path(f"/proc/{one}/status").read_text().splitlines()
            kib += sum(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
    return kib / 1024


def fields(stat: Path) -> list[str]:
    """Those of /proc/PID/stat after the name, which may have blanks in it."""
    return stat.read_text().rpartition(")")[2].split()
