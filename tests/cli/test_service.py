"""What systemd is told by a mount, and the units it is told by."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kumofs.cli.exit_status import STATUS, USAGE
from kumofs.daemon.service import Service
from kumofs.errors import (
    ConfigError,
    FuseUnavailable,
    MountPointBusy,
    MountPointMissing,
    MountPointNotEmpty,
    NotSignedIn,
    SessionEnded,
)

SYSTEMD = Path(__file__).parent.parent.parent / "systemd"
UNITS = sorted(SYSTEMD.glob("*/*.service"))
PATIENCE_S = 60


@pytest.fixture
def line(tmp_path: Path) -> Iterator[socket.socket]:
    """A service manager's end of the line."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(PATIENCE_S)
        yield receiver


def hear(line: socket.socket, wanted: str) -> list[str]:
    """Messages until one has a line that is wanted; all of them."""
    heard: list[str] = []
    deadline = time.monotonic() + PATIENCE_S
    while not heard or wanted not in heard[-1].splitlines():
        assert time.monotonic() < deadline, f"{wanted} was not told, but {heard}"
        heard.append(line.recv(4096).decode())
    return heard


@pytest.fixture
def serving(world, line: socket.socket) -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], Path]]]:
    """Starts `kumofs mount --foreground` as systemd does."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/fuse: this machine cannot mount")
    world.signup()
    started: list[subprocess.Popen[bytes]] = []

    def start(**environ: str) -> tuple[subprocess.Popen[bytes], Path]:
        drive = world.base / "drive"
        drive.mkdir()
        command = [sys.executable, "-m", "kumofs", "mount", "--foreground", str(drive)]
        started.append(subprocess.Popen(command, env={**world.environ, "NOTIFY_SOCKET": line.getsockname(), **environ}))
        return started[-1], drive

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_mount_tells_that_it_answers_lives_and_ends(serving, line) -> None:
    process, drive = serving(WATCHDOG_USEC="2000000")
    assert len(hear(line, "READY=1")) == 1, "nothing is told before the mount answers"
    assert os.path.ismount(drive)
    assert f"STATUS={drive} for ada@example.org: everything uploaded" in hear(line, "WATCHDOG=1")[-1]
    hear(line, "WATCHDOG=1")
    process.send_signal(signal.SIGTERM)
    hear(line, "STOPPING=1")
    assert process.wait(PATIENCE_S) == 0
    assert not os.path.ismount(drive)


def test_a_mount_that_hangs_gives_no_sign_of_life(serving, line) -> None:
    process, _drive = serving(WATCHDOG_USEC="1000000")
    hear(line, "READY=1")
    process.send_signal(signal.SIGSTOP)
    line.settimeout(3)
    with pytest.raises(TimeoutError):
        for _ in range(20):  # what was on its way already, then nothing for three times the watchdog's time
            line.recv(4096)
    line.settimeout(PATIENCE_S)
    process.send_signal(signal.SIGCONT)
    hear(line, "WATCHDOG=1")


def test_nobody_is_told_that_a_mount_failed_to_be_ready(serving, line) -> None:
    process, _drive = serving(KUMOFS_STORE="file:///proc/nowhere/store")
    assert process.wait(PATIENCE_S) == 15
    line.setblocking(False)
    with pytest.raises(BlockingIOError):
        line.recv(4096)


def test_the_environment_of_children_has_no_line_in_it() -> None:
    environ = {"NOTIFY_SOCKET": "@abstract", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid()), "HOME": "/"}
    service = Service.taken_from(environ)
    assert environ == {"HOME": "/"}
    assert service.listens
    assert service.watchdog_s == 30


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "relative"}, {"WATCHDOG_USEC": "x", "NOTIFY_SOCKET": ""}])
def test_without_a_service_manager_nothing_is_told(environ: dict[str, str]) -> None:
    service = Service.taken_from(environ)
    assert not service.listens
    service.tell(READY=1)


def test_a_watchdog_of_another_process_is_not_ours() -> None:
    assert Service.taken_from({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog_s is None


def verified(unit: Path, tmp_path: Path) -> tuple[int, str]:
    """What `systemd-analyze verify` says of an instance of a template."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("NOT VERIFIED: systemd-analyze is missing, install the package systemd")
    mode = "--user" if unit.parent.name == "user" else "--system"
    command = ["systemd-analyze", "verify", mode, "--man=no", str(unit.with_name("kumofs@srv-my\\x20kumo.service"))]
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=120)
    return done.returncode, done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.parent.name)
def test_a_unit_is_one_that_systemd_takes(unit: Path, tmp_path: Path) -> None:
    assert verified(unit, tmp_path) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.parent.name)
def test_a_mistake_in_a_unit_is_found(unit: Path, tmp_path: Path) -> None:
    copy = tmp_path / unit.parent.name / unit.name
    copy.parent.mkdir()
    copy.write_text(unit.read_text().replace("WatchdogSec=", "WatchdogSeconds=").replace("Type=notify", "Type=telepathy"))
    _status, said = verified(copy, tmp_path)
    assert "WatchdogSeconds" in said
    assert "telepathy" in said


def test_there_is_a_unit_for_users_and_one_for_the_system() -> None:
    assert {path.parent.name for path in UNITS} == {"user", "system"}


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.parent.name)
def test_what_trying_again_would_not_help_is_final(unit: Path) -> None:
    final = (NotSignedIn, SessionEnded, MountPointMissing, MountPointNotEmpty, MountPointBusy, FuseUnavailable, ConfigError)
    (given,) = re.findall(r"^RestartPreventExitStatus=(.*)$", unit.read_text(), re.MULTILINE)
    assert {int(status) for status in given.split()} == {USAGE, *(STATUS[cls] for cls in final)}
