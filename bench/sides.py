"""The sides: how each file system is mounted over a bucket, with everything of its own in one directory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from bench.bucket import Bucket

MOUNT_S = 30.0


class Side(Protocol):
    """One file system over one bucket. `mount` after `unmount` is a cold start: nothing is cached."""

    top: Path
    """Where the bench works."""

    def mount(self) -> None:
        """Mount; returns when it answers."""
        ...

    def unmount(self) -> None:
        """Unmount, everything sent, and forget what is cached."""
        ...

    @property
    def pid(self) -> int:
        """The process that serves it."""
        ...


class Kumofs:
    """kumofs, with write-back or `--write-through`; the catalog is SQLite, or a MongoDB URL."""

    def __init__(self, place: Path, bucket: Bucket, *options: str, catalog: str | None = None) -> None:
        self.top = place / "drive"
        self._place = place
        self._options = options
        server = bucket.server
        for name in ("data", "config/kumofs", "state", "cache", "run", "drive"):
            (place / name).mkdir(mode=0o700, parents=True)
        write_secret(
            place / "aws", f"[default]\naws_access_key_id={server.access_key}\naws_secret_access_key={server.secret_key}\n"
        )
        lines = [f'store = "s3://{bucket.name}"', f'endpoint = "{server.endpoint}"', 'region = "us-east-1"']
        if catalog is not None:
            lines.append(f'catalog = "{catalog}/{bucket.name}"')
        write_secret(place / "config" / "kumofs" / "config.toml", "\n".join(lines) + "\n")
        self._run("signup", "bench@example.org", "--password-stdin", stdin=os.urandom(12).hex())

    def mount(self) -> None:
        """Mount it."""
        self._run("mount", *self._options, str(self.top))

    def unmount(self) -> None:
        """Unmount it; it has no cache on disk of what is clean."""
        self._run("umount", str(self.top))

    @property
    def pid(self) -> int:
        """The mount's process."""
        (file,) = (self._place / "run" / "kumofs").glob("*.pid")
        return int(file.read_text())

    def _run(self, *arguments: str, stdin: str = "") -> None:
        own = {"DATA_HOME": "data", "CONFIG_HOME": "config", "STATE_HOME": "state", "CACHE_HOME": "cache", "RUNTIME_DIR": "run"}
        environ = {**os.environ, **{f"XDG_{key}": str(self._place / value) for key, value in own.items()}}
        environ["AWS_SHARED_CREDENTIALS_FILE"] = str(self._place / "aws")
        command = [sys.executable, "-m", "kumofs", *arguments]
        subprocess.run(command, env=environ, input=stdin, text=True, check=True, capture_output=True)


class Peer:
    """A peer that runs in the foreground until it is unmounted."""

    def __init__(self, place: Path, command: list[str]) -> None:
        self.top = place / "drive"
        self._cache = place / "cache"
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self.top.mkdir()

    def mount(self) -> None:
        """Mount it, its cache empty."""
        shutil.rmtree(self._cache, ignore_errors=True)
        self._cache.mkdir()
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline_s = time.monotonic() + MOUNT_S
        while not self.top.is_mount():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"{self._command[0]} does not mount")
            time.sleep(0.02)

    def unmount(self) -> None:
        """Unmount it, and wait for its end."""
        assert self._process is not None
        subprocess.run(["umount", str(self.top)], check=True)
        self._process.wait(timeout=120)

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid


def write_secret(path: Path, text: str) -> None:
    """A file that only its owner can read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def rclone(place: Path, bucket: Bucket, catalog: str | None) -> Side:
    """rclone mount with a full cache, sending at once."""
    server = bucket.server
    remote = {
        "type": "s3",
        "provider": "Minio",
        "access_key_id": server.access_key,
        "secret_access_key": server.secret_key,
        "endpoint": server.endpoint,
        "region": "us-east-1",
    }
    write_secret(place / "rclone.conf", "[s3]\n" + "".join(f"{name} = {value}\n" for name, value in remote.items()))
    program = str(Path(sys.executable).with_name("rclone"))
    options = ["--vfs-cache-mode", "full", "--vfs-write-back", "0s", "--cache-dir", str(place / "cache")]
    return Peer(
        place,
        [program, "mount", f"s3:{bucket.name}", str(place / "drive"), "--config", str(place / "rclone.conf"), *options],
    )


def s3fs(place: Path, bucket: Bucket, catalog: str | None) -> Side:
    """s3fs with a cache."""
    server = bucket.server
    write_secret(place / "passwd", f"{server.access_key}:{server.secret_key}\n")
    options = f"passwd_file={place / 'passwd'},url={server.endpoint},use_path_request_style,use_cache={place / 'cache'}"
    return Peer(place, ["s3fs", bucket.name, str(place / "drive"), "-f", "-o", options])


def kumofs(place: Path, bucket: Bucket, catalog: str | None) -> Side:
    """kumofs as it is by default."""
    return Kumofs(place, bucket, catalog=catalog)


def kumofs_through(place: Path, bucket: Bucket, catalog: str | None) -> Side:
    """kumofs whose close waits for the upload."""
    return Kumofs(place, bucket, "--write-through", catalog=catalog)


SIDES: dict[str, Callable[[Path, Bucket, str | None], Side]] = {
    "kumofs": kumofs,
    "kumofs --write-through": kumofs_through,
    "rclone": rclone,
    "s3fs": s3fs,
}
