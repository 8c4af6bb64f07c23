"""What a run was measured with."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import kumofs
from bench.peers import peer_version
from bench.servers import server_version

ROOT = Path(__file__).resolve().parent.parent


def machine() -> dict[str, Any]:
    """Cores, memory, kernel, processor."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    models = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / (1 << 30), 1),
        "kernel": platform.release(),
        "processor": models[0] if models else platform.machine(),
    }


def versions(programs: dict[str, str], servers: list[str]) -> dict[str, str]:
    """Of kumofs and what it stands on, the peers (program by name), and the servers."""
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty"], check=False, capture_output=True, text=True
    )
    own = {
        "kumofs": f"{kumofs.__version__} {commit.stdout.strip()}".strip(),
        "python": platform.python_version(),
        "pyfuse3": version("pyfuse3"),
    }
    peers = {name: peer_version(name, program) for name, program in programs.items()}
    return own | peers | {name: server_version(name) for name in servers}


def now() -> str:
    """The date and time, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def command_line() -> str:
    """As it was typed, but for the interpreter."""
    return shlex.join(["python", "-m", "bench", *sys.argv[1:]])
