"""Starting a mount in the background: the same command in the foreground, in a session of its own, which tells by a pipe
when the mount answers, or why it does not."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path

from kumofs.config import Settings, make_private_dir
from kumofs.daemon.mount import must_be_mounted
from kumofs.daemon.options import Options
from kumofs.daemon.runtime import place_of
from kumofs.errors import MountFailed

START_S = 120.0
"""How long a mount may take to answer (it may have to wait for the catalog)."""


class Refused(Exception):
    """The background process could not mount; its message and exit status are passed on."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def launch(settings: Settings, mount_point: Path, options: Options) -> None:
    """Return once the mount answers. Refused, MountFailed."""
    log_file = place_of(settings, mount_point).log_file
    make_private_dir(settings.state_dir)
    make_private_dir(log_file.parent)
    reading, writing = os.pipe()
    command = [
        sys.executable,
        "-m",
        "kumofs",
        "mount",
        "--foreground",
        "--ready-fd",
        str(writing),
        *options.arguments,
        "--",
        str(mount_point),
    ]
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[writing], start_new_session=True, cwd="/"
        )
    finally:
        os.close(log)
        os.close(writing)
    try:
        answer = read_answer(reading, log_file)
    finally:
        os.close(reading)
    if "error" in answer:
        raise Refused(str(answer["error"]), int(str(answer["status"])))
    must_be_mounted(mount_point)


def read_answer(fd: int, log_file: Path) -> dict[str, object]:
    """What the background process tells. MountFailed where it tells nothing."""
    if not select.select([fd], [], [], START_S)[0]:
        raise MountFailed(f"the mount did not answer within {START_S:.0f} s: see {log_file}")
    line = os.read(fd, 65536)
    if not line:
        raise MountFailed(f"the mount ended before it answered: see {log_file}")
    found: dict[str, object] = json.loads(line)
    return found


def tell(fd: int, message: dict[str, object]) -> None:
    """Tell the waiting command; called in the background process."""
    os.write(fd, json.dumps(message).encode() + b"\n")
    os.close(fd)
