"""Programs: whether a request comes from the program that made a file."""

from __future__ import annotations

from pathlib import Path


def same_program(pid: int, maker_pid: int) -> bool:
    """Whether the two are one process, or parent and child running one executable (rsync works in two)."""
    if pid == maker_pid:
        return True
    related = parent(pid) == maker_pid or parent(maker_pid) == pid
    return related and executable(pid) is not None and executable(pid) == executable(maker_pid)


def parent(pid: int) -> int | None:
    """The parent of a process; None where it has ended or may not be seen."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def executable(pid: int) -> str | None:
    """What a process runs; None where it has ended or may not be seen."""
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return None
