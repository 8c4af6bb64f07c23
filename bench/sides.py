"""The sides: file systems that are mounted over a bucket, with everything of their own in one directory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from bench.bucket import Bucket

MOUNT_S = 30.0
UMOUNT_S = 15.0
END_S = 300.0
"""Bytes that are on their way may take that long at an unmount."""


class SideError(Exception):
    """A side does not mount or unmount."""


class Side(Protocol):
    """One file system over one bucket. `mount` after `unmount` and `forget` is a cold start."""

    top: Path
    """Where the bench works."""
    plain: bool
    """Each file is an object of its size; where it is not so, the side has sent everything when a file is closed."""

    def mount(self) -> None:
        """Mount; returns when it answers. Raises SideError."""
        ...

    def unmount(self) -> None:
        """Unmount, everything sent. Raises SideError."""
        ...

    def forget(self) -> None:
        """Remove what is cached on disk; not while it is mounted."""
        ...

    def kill(self) -> None:
        """End it whatever it does, for it hangs or has failed."""
        ...

    @property
    def pid(self) -> int:
        """The process that serves it, perhaps with others below it."""
        ...


class Kumofs:
    """kumofs, with write-back or `--write-through`; the catalog is SQLite, or in the MongoDB of that URL."""

    plain = True

    def __init__(self, place: Path, bucket: Bucket, *options: str, catalog: str | None = None) -> None:
        self.top = place / "drive"
        self._place = place
        self._options = options
        server = bucket.server
        for name in ("data", "config/kumofs", "state", "cache", "run", "drive"):
            (place / name).mkdir(mode=0o700, parents=True)
        write_credentials(place / "aws", bucket)
        lines = [f'store = "s3://{bucket.name}"', f'endpoint = "{server.endpoint}"', 'region = "us-east-1"']
        if catalog is not None:
            lines.append(f'catalog = "{catalog}/{bucket.name}"')
        write_secret(place / "config" / "kumofs" / "config.toml", "\n".join(lines) + "\n")
        self._run("signup", "bench@example.org", "--password-stdin", stdin=os.urandom(12).hex())

    def mount(self) -> None:
        """Mount it."""
        self._run("mount", *self._options, str(self.top))

    def unmount(self) -> None:
        """Unmount it; what waits is sent first."""
        self._run("umount", str(self.top))

    def forget(self) -> None:
        """Empty its cache of clean bytes."""
        for path in (self._place / "cache").iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def kill(self) -> None:
        """Kill the mount's process."""
        with suppress(SideError):
            pid = self.pid
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        detach(self.top)

    @property
    def pid(self) -> int:
        """The mount's process."""
        files = list((self._place / "run" / "kumofs").glob("*.pid"))
        if len(files) != 1:
            raise SideError("kumofs is not mounted")
        return int(files[0].read_text())

    def _run(self, *arguments: str, stdin: str = "") -> None:
        own = {"DATA_HOME": "data", "CONFIG_HOME": "config", "STATE_HOME": "state", "CACHE_HOME": "cache", "RUNTIME_DIR": "run"}
        environ = {**os.environ, **{f"XDG_{key}": str(self._place / value) for key, value in own.items()}}
        environ["AWS_SHARED_CREDENTIALS_FILE"] = str(self._place / "aws")
        command = [sys.executable, "-m", "kumofs", *arguments]
        try:
            subprocess.run(command, env=environ, input=stdin, text=True, check=True, capture_output=True, timeout=END_S)
        except subprocess.CalledProcessError as problem:
            raise SideError(f"kumofs {arguments[0]}: {problem.stderr.strip()}") from problem
        except subprocess.TimeoutExpired as problem:
            raise SideError(f"kumofs {arguments[0]} has not ended after {END_S:g} s") from problem


class Peer:
    """A peer that runs in the foreground until it is unmounted."""

    def __init__(self, place: Path, command: list[str], environ: dict[str, str], *, plain: bool) -> None:
        self.top = place / "drive"
        self.plain = plain
        self._cache = place / "cache"
        self._log = place / "log"
        self._command, self._environ = command, environ
        self._process: subprocess.Popen[bytes] | None = None

    def mount(self) -> None:
        """Mount it."""
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self._environ}
            )
        deadline_s = time.monotonic() + MOUNT_S
        while not is_mounted(self.top):
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                last = self._log.read_text(errors="replace").strip().splitlines()[-1:]
                raise SideError(f"{Path(self._command[0]).name} does not mount: {' '.join(last)}")
            time.sleep(0.02)

    def unmount(self) -> None:
        """Unmount it, and wait for its end."""
        assert self._process is not None
        deadline_s = time.monotonic() + UMOUNT_S
        while subprocess.run(["umount", str(self.top)], check=False, capture_output=True).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                raise SideError(f"{Path(self._command[0]).name} does not unmount, or has ended by itself")
            time.sleep(0.1)
        try:
            self._process.wait(timeout=END_S)
        except subprocess.TimeoutExpired as problem:
            raise SideError(f"{Path(self._command[0]).name} has not ended {END_S:g} s after its unmount") from problem

    def forget(self) -> None:
        """Empty its cache."""
        shutil.rmtree(self._cache, ignore_errors=True)
        self._cache.mkdir()

    def kill(self) -> None:
        """Kill its process."""
        if self._process is not None:
            self._process.kill()
        detach(self.top)
        if self._process is not None:
            self._process.wait(timeout=END_S)

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid


def is_mounted(top: Path) -> bool:
    """Asks the kernel and not the file system, which may hang."""
    return any(line.split()[4] == str(top) for line in Path("/proc/self/mountinfo").read_text().splitlines())


def detach(top: Path) -> None:
    """Take it from the tree, whatever still uses it; nothing where it is not mounted."""
    subprocess.run(["umount", "--lazy", str(top)], check=False, capture_output=True)


def write_secret(path: Path, text: str) -> None:
    """A file that only its owner can read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def write_credentials(path: Path, bucket: Bucket) -> None:
    """An AWS credentials file."""
    keys = {"aws_access_key_id": bucket.server.access_key, "aws_secret_access_key": bucket.server.secret_key}
    write_secret(path, "[default]\n" + "".join(f"{name} = {value}\n" for name, value in keys.items()))
