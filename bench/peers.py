"""How each peer is mounted: by its own documentation, in the foreground, with a cache on disk where it has one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.bucket import Bucket
from bench.sides import Kumofs, Peer, Side, write_credentials, write_secret

KUMOFS = ("kumofs", "kumofs --write-through")


@dataclass(frozen=True)
class Kind:
    """A side that can be made."""

    make: Callable[[Path, Bucket, str | None], Side]
    """(its directory, its bucket, MongoDB's URL or None for SQLite)"""
    adopts: bool
    """Objects that somebody else put into the bucket are files to it."""


@dataclass(frozen=True)
class Mounting:
    """What a peer's command is made of."""

    program: str
    place: Path
    bucket: Bucket

    @property
    def drive(self) -> str:
        """Where it is mounted."""
        return str(self.place / "drive")

    @property
    def cache(self) -> str:
        """Its cache."""
        return str(self.place / "cache")

    @property
    def endpoint(self) -> str:
        """The S3 server's URL."""
        return self.bucket.server.endpoint

    @property
    def credentials(self) -> str:
        """An AWS credentials file."""
        return str(self.place / "aws")


def rclone(at: Mounting) -> list[str]:
    """A full cache, and sending at once."""
    server = at.bucket.server
    remote = {
        "type": "s3",
        "provider": "Minio",
        "access_key_id": server.access_key,
        "secret_access_key": server.secret_key,
        "endpoint": at.endpoint,
        "region": "us-east-1",
    }
    config = at.place / "rclone.conf"
    write_secret(config, "[s3]\n" + "".join(f"{name} = {value}\n" for name, value in remote.items()))
    options = ["--config", str(config), "--cache-dir", at.cache, "--vfs-cache-mode", "full", "--vfs-write-back", "0s"]
    return [at.program, "mount", f"s3:{at.bucket.name}", at.drive, *options]


def s3fs(at: Mounting) -> list[str]:
    """With a cache."""
    passwords = at.place / "passwd"
    write_secret(passwords, f"{at.bucket.server.access_key}:{at.bucket.server.secret_key}\n")
    options = f"passwd_file={passwords},url={at.endpoint},use_path_request_style,use_cache={at.cache}"
    return [at.program, at.bucket.name, at.drive, "-f", "-o", options]


def geesefs(at: Mounting) -> list[str]:
    """As it is; it caches in memory."""
    options = ["--endpoint", at.endpoint, "--region", "us-east-1", "--shared-config", at.credentials]
    return [at.program, "-f", *options, at.bucket.name, at.drive]


def goofys(at: Mounting) -> list[str]:
    """As it is; credentials by AWS_SHARED_CREDENTIALS_FILE."""
    return [at.program, "-f", "--endpoint", at.endpoint, "--region", "us-east-1", at.bucket.name, at.drive]


def mountpoint_s3(at: Mounting) -> list[str]:
    """With a cache, and allowed what it refuses by default."""
    options = ["--endpoint-url", at.endpoint, "--region", "us-east-1", "--force-path-style", "--cache", at.cache]
    return [at.program, "--foreground", "--allow-delete", "--allow-overwrite", *options, at.bucket.name, at.drive]


def juicefs(at: Mounting) -> list[str]:
    """Metadata in SQLite, and closing waits for the store (no --writeback). `format` takes the keys from the environment, its
    other way is the command line."""
    server = at.bucket.server
    catalog = f"sqlite3://{at.place / 'meta.db'}"
    bucket = ["--storage", "s3", "--bucket", f"{at.endpoint}/{at.bucket.name}", "--trash-days", "0"]
    keys = {"ACCESS_KEY": server.access_key, "SECRET_KEY": server.secret_key}
    command = [at.program, "--no-agent", "format", *bucket, catalog, "bench"]
    subprocess.run(command, env={**os.environ, **keys}, check=True, capture_output=True, text=True)
    return [at.program, "--no-agent", "mount", "--no-usage-report", "--cache-dir", at.cache, catalog, at.drive]


@dataclass(frozen=True)
class Recipe:
    """A peer that the bench knows."""

    program: str
    """What it is called where it is installed."""
    command: Callable[[Mounting], list[str]]
    version: str = "--version"
    plain: bool = True


RECIPES = {
    "rclone": Recipe("rclone", rclone, version="version"),
    "s3fs": Recipe("s3fs", s3fs),
    "geesefs": Recipe("geesefs", geesefs),
    "goofys": Recipe("goofys", goofys),
    "mountpoint-s3": Recipe("mount-s3", mountpoint_s3),
    "juicefs": Recipe("juicefs", juicefs, plain=False),
}


def find_peers(named: dict[str, str]) -> dict[str, str]:
    """Program by peer: those that `named` (path by peer) gives, else what lies beside this Python or in PATH."""
    beside = str(Path(sys.executable).parent)
    path = os.pathsep.join([beside, os.environ.get("PATH", os.defpath)])
    found = {name: named.get(name) or shutil.which(recipe.program, path=path) for name, recipe in RECIPES.items()}
    return {name: program for name, program in found.items() if program}


def peer(name: str, program: str) -> Kind:
    """How that peer is made."""

    def make(place: Path, bucket: Bucket, catalog: str | None) -> Side:
        for directory in ("drive", "cache"):
            (place / directory).mkdir()
        at = Mounting(program, place, bucket)
        write_credentials(Path(at.credentials), bucket)
        environ = {"AWS_SHARED_CREDENTIALS_FILE": at.credentials, "AWS_EC2_METADATA_DISABLED": "true"}
        return Peer(place, RECIPES[name].command(at), environ, plain=RECIPES[name].plain)

    return Kind(make, adopts=RECIPES[name].plain)


def kumofs(*options: str) -> Kind:
    """How kumofs is made, mounted with these options."""
    return Kind(lambda place, bucket, catalog: Kumofs(place, bucket, *options, catalog=catalog), adopts=False)


def make_sides(programs: dict[str, str]) -> dict[str, Kind]:
    """kumofs as it is by default, kumofs whose close waits for the upload, and the peers that were found."""
    own = {KUMOFS[0]: kumofs(), KUMOFS[1]: kumofs("--write-through")}
    return own | {name: peer(name, program) for name, program in programs.items()}


def peer_version(name: str, program: str) -> str:
    """The first line of what it says of itself."""
    done = subprocess.run([program, RECIPES[name].version], check=False, capture_output=True, text=True, timeout=20)
    lines = (done.stdout or done.stderr).strip().splitlines() or ["unknown"]
    return lines[0]
