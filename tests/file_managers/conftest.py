"""A desktop session of the tests' own: a message bus and gvfs, with a home directory that nobody else uses."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

PATIENCE_S = 60.0
"""gvfs hears of changes by itself, in its own time."""


@pytest.fixture(scope="module")
def desktop(
    shared_world: object, tmp_path_factory: pytest.TempPathFactory, needs_program: Callable[[str], None]
) -> Iterator[dict[str, str]]:
    """The environment of a desktop session. Ends before the mount does: what gvfs watches is let go."""
    for name in ("dbus-daemon", "gio"):
        needs_program(name)
    home = tmp_path_factory.mktemp("home")
    environ = {
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "GIO_USE_VOLUME_MONITOR": "unix",
        "LC_ALL": "C.UTF-8",
    }
    for name in ("data", "config", "cache", "run"):
        (home / name).mkdir(mode=0o700)
    command = ["dbus-daemon", "--session", "--nofork", "--print-address=1", f"--address=unix:dir={home / 'run'}"]
    with subprocess.Popen(command, env={**os.environ, **environ}, stdout=subprocess.PIPE, text=True, cwd="/") as bus:
        assert bus.stdout is not None
        address = bus.stdout.readline().strip()
        assert address, "the message bus did not start"
        yield {**environ, "DBUS_SESSION_BUS_ADDRESS": address}
        bus.terminate()  # gvfs ends with it, a little later
    deadline = time.monotonic() + PATIENCE_S
    while left := session_processes(address):
        if time.monotonic() > deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def session_processes(address: str) -> list[int]:
    """The processes of a desktop session: those that know the address of its bus."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # another user's, or gone
            if f"DBUS_SESSION_BUS_ADDRESS={address}".encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


@pytest.fixture
def gio(desktop: dict[str, str], program: Callable[..., str]) -> Callable[..., str]:
    """Run gio, the command line of the library that Nautilus, Thunar and pcmanfm call; what it printed."""

    def run(*words: object, stdin: str = "", status: int = 0) -> str:
        return program("gio", *words, stdin=stdin, status=status, environ=desktop)

    return run


@pytest.fixture
def eventually() -> Callable[..., object]:
    """Ask again until the answer is true; that answer."""

    def ask(question: Callable[[], object], why: str) -> object:
        deadline = time.monotonic() + PATIENCE_S
        while not (answer := question()):
            assert time.monotonic() < deadline, why
            time.sleep(0.2)
        return answer

    return ask


@pytest.fixture
def artifacts() -> Path:
    """Where pictures are kept for whoever looks at a run; outside git."""
    path = Path(__file__).parents[2] / "build" / "artifacts"
    path.mkdir(parents=True, exist_ok=True)
    return path
