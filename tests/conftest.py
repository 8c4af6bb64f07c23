"""Worlds: everything kumofs keeps, in a directory of the test's own, and the command to work with it.

Catalog and store are the embedded ones, a SQLite file and a directory, unless KUMOFS_TEST_MONGODB or KUMOFS_TEST_S3 names
a server: docs/testing.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from kumofs.catalog import open_engine
from kumofs.catalog.port import Engine
from kumofs.config import S3Settings, Settings, load_settings
from kumofs.store import open_store
from kumofs.store.protocol import Store

PASSWORD = "four little green words"
MONGODB = os.environ.get("KUMOFS_TEST_MONGODB")
S3 = os.environ.get("KUMOFS_TEST_S3")
S3_SETTINGS = S3Settings(endpoint=S3, region=os.environ.get("KUMOFS_TEST_S3_REGION", "us-east-1"))
BUCKET = os.environ.get("KUMOFS_TEST_S3_BUCKET", "kumofs-test")


def pytest_report_header() -> list[str]:
    """What the drive runs on is part of every report."""
    catalog = f"MongoDB at {urlsplit(MONGODB).hostname}:{urlsplit(MONGODB).port}" if MONGODB else "SQLite, no KUMOFS_TEST_MONGODB"
    store = f"S3 at {S3}" if S3 else "a directory, no KUMOFS_TEST_S3"
    return [f"kumofs: catalog: {catalog}; store: {store}"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for marker, server, needs in (
        ("sqlite_catalog", MONGODB, "the catalog's file: KUMOFS_TEST_MONGODB is set"),
        ("directory_store", S3, "the directory of the store: KUMOFS_TEST_S3 is set"),
    ):
        for item in items if server else ():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=f"works on {needs}"))


# --- places on the servers


def new_database() -> str:
    """The URL of a database that does not exist yet."""
    assert MONGODB is not None
    return urlsplit(MONGODB)._replace(path=f"/kumofs_test_{os.urandom(6).hex()}").geturl()


def drop_database(url: str) -> None:
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    try:
        with MongoClient[dict[str, Any]](url, timeoutMS=20_000, serverSelectionTimeoutMS=20_000) as client:
            client.drop_database(client.get_default_database().name)
    except PyMongoError as problem:
        warnings.warn(f"a database of a test is left: {problem}", stacklevel=2)


@cache
def s3_client() -> Any:
    """A client that has made sure of the bucket."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=10, read_timeout=20, retries={"total_max_attempts": 3})
    client = boto3.client("s3", endpoint_url=S3_SETTINGS.endpoint, region_name=S3_SETTINGS.region, config=config)
    with suppress(client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
        client.create_bucket(Bucket=BUCKET)
    return client


def new_prefix() -> str:
    """The store URL of a prefix with nothing under it, in a bucket that exists."""
    s3_client()
    return f"s3://{BUCKET}/{os.urandom(6).hex()}"


def empty_prefix(url: str) -> None:
    """Remove every version of what is under it, as far as that is possible."""
    from botocore.exceptions import BotoCoreError, ClientError

    client, prefix = s3_client(), urlsplit(url).path.lstrip("/") + "/"
    try:
        for page in client.get_paginator("list_object_versions").paginate(Bucket=BUCKET, Prefix=prefix):
            for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                client.delete_object(Bucket=BUCKET, Key=each["Key"], VersionId=each["VersionId"])
    except (BotoCoreError, ClientError) as problem:
        warnings.warn(f"objects of a test are left: {problem}", stacklevel=2)


@contextmanager
def an_engine(file: Path) -> Iterator[Engine]:
    url = new_database() if MONGODB else f"sqlite://{file}"
    engine = open_engine(url)
    try:
        yield engine
    finally:
        engine.close()
        if MONGODB:
            drop_database(url)


@contextmanager
def a_store(directory: Path) -> Iterator[Store]:
    url = new_prefix() if S3 else f"file://{directory}"
    store = open_store(url, S3_SETTINGS)
    try:
        yield store
    finally:
        store.close()
        if S3:
            empty_prefix(url)


@pytest.fixture(scope="session")
def open_empty_engine() -> Callable[[Path], AbstractContextManager[Engine]]:
    """Opens an empty engine: of MongoDB where a server is named, else of a SQLite file at the path."""
    return an_engine


@pytest.fixture(scope="session")
def open_empty_store() -> Callable[[Path], AbstractContextManager[Store]]:
    """Opens an empty store: of S3 where a server is named, else of the directory."""
    return a_store


# --- worlds


@dataclass
class World:
    """One machine's worth of kumofs: its own XDG directories."""

    base: Path

    def __post_init__(self) -> None:
        config = self.base / "config" / "kumofs"
        config.mkdir(mode=0o700, parents=True)
        self.config_file = config / "config.toml"
        self.config_file.touch(mode=0o600)  # the URL of a server may have a password in it
        lines = {"bcrypt_cost": "4"}
        if MONGODB:
            lines["catalog"] = f'"{new_database()}"'
        if S3:
            lines |= {"store": f'"{new_prefix()}"', "endpoint": f'"{S3}"', "region": f'"{S3_SETTINGS.region}"'}
        self.config_file.write_text("".join(f"{key} = {value}\n" for key, value in lines.items()))
        for name in ("data", "state", "cache", "run"):
            (self.base / name).mkdir(mode=0o700)
        self.made = load_settings(self.environ)  # a test may break them

    @property
    def environ(self) -> dict[str, str]:
        names = {"DATA_HOME": "data", "CONFIG_HOME": "config", "STATE_HOME": "state", "CACHE_HOME": "cache", "RUNTIME_DIR": "run"}
        return {**os.environ, **{f"XDG_{key}": str(self.base / value) for key, value in names.items()}}

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.environ)

    @cached_property
    def store(self) -> Store:
        """The store of this world, opened by the test itself."""
        return open_store(self.settings.store, self.settings.s3)

    def stored_keys(self) -> list[str]:
        return sorted(info.key for info in self.store.list())

    @property
    def objects(self) -> Path:
        """Where the embedded store has its objects: for tests marked `directory_store`."""
        return self.base / "data" / "kumofs" / "store" / "objects"

    @property
    def staging(self) -> Path:
        return self.base / "state" / "kumofs" / "staging"

    def call(self, *args: object, stdin: str = "") -> tuple[int, str]:
        """Run `kumofs ARGS`; its status, and what it printed on both streams."""
        command = [sys.executable, "-m", "kumofs", *map(str, args)]
        done = subprocess.run(command, env=self.environ, input=stdin, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr

    def run(self, *args: object, stdin: str = "", status: int = 0) -> str:
        """Run `kumofs ARGS`, which must end with the status; what it printed."""
        ended, said = self.call(*args, stdin=stdin)
        assert ended == status, f"{args} ended with {ended}: {said}"
        return said

    def signup(self, email: str = "ada@example.org", password: str = PASSWORD) -> None:
        self.run("signup", email, "--password-stdin", stdin=password + "\n")

    def mount(self, name: str = "drive", *options: str) -> Path:
        directory = self.base / name
        if name not in os.listdir(self.base):  # a dead mount can only be listed from above
            directory.mkdir()
        self.run("mount", directory, *options)
        return directory

    def umount(self, name: str = "drive", status: int = 0) -> str:
        return self.run("umount", self.base / name, status=status)

    def upload(self) -> None:
        """Wait until everything that was closed is in the store."""
        self.run("sync")

    def pid(self) -> int:
        """The process of the one mount."""
        (found,) = (self.base / "run" / "kumofs").glob("*.pid")
        return int(found.read_text())

    def log(self) -> str:
        return "".join(path.read_text() for path in (self.base / "state" / "kumofs" / "log").glob("*.log"))

    def close(self) -> None:
        """Unmount whatever is left, by force where a test failed; leave nothing on the servers."""
        for line in Path("/proc/self/mounts").read_text().splitlines():
            target = line.split()[1]
            if target.startswith(str(self.base)):
                subprocess.run(["umount", "-l", target], check=False)
        if "store" in vars(self):
            self.store.close()
        if MONGODB:
            drop_database(self.made.catalog)
        if S3:
            empty_prefix(self.made.store)


UNTIL_S = 60


def until(what: str, holds: Callable[[], object]) -> None:
    """Wait until it is so."""
    deadline_s = time.monotonic() + UNTIL_S
    while not holds():
        assert time.monotonic() < deadline_s, f"not in {UNTIL_S} s: {what}"
        time.sleep(0.1)


def needs_fuse() -> None:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/fuse: this machine cannot mount")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty world."""
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def new_world(tmp_path: Path) -> Iterator[Callable[[str], World]]:
    """Worlds by name, for tests that need several."""
    made: list[World] = []

    def make(name: str) -> World:
        (tmp_path / name).mkdir()
        made.append(World(tmp_path / name))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def mounted(world: World) -> Iterator[tuple[World, Path]]:
    """A world of its own with a signed-up user and a mount."""
    needs_fuse()
    world.signup()
    yield world, world.mount()


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Path]]:
    """One mount for all the tests that only need a folder in it."""
    needs_fuse()
    world = World(tmp_path_factory.mktemp("shared"))
    world.signup()
    drive = world.mount("drive", "--ownership", "stored")
    yield world, drive
    world.umount()
    assert "Traceback" not in world.log()
    world.close()


@pytest.fixture(scope="session")
def new_session_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], World]]:
    """Signed-up worlds by name, for mounts with options of their own that many tests share."""
    needs_fuse()
    made: list[World] = []

    def make(name: str) -> World:
        made.append(World(tmp_path_factory.mktemp(name)))
        made[-1].signup()
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def folder(shared_world: tuple[World, Path], request: pytest.FixtureRequest) -> Path:
    """A fresh folder in a mounted drive."""
    path = shared_world[1] / f"{request.node.name[:80].replace('/', '_')}-{os.urandom(3).hex()}"
    path.mkdir()
    return path


@pytest.fixture(scope="session")
def needs_program() -> Callable[[str], None]:
    """Skip the test, saying so, where a program is not installed."""

    def needs(name: str) -> None:
        if shutil.which(name) is None:
            pytest.skip(f"needs the program {name}, which is not installed: scripts/install-system-packages test")

    return needs


@pytest.fixture(scope="session")
def program(needs_program: Callable[[str], None]) -> Callable[..., str]:
    """Run a program that has to end with `status`; its standard output. Skips where it is not installed."""

    def run(
        *command: object, cwd: Path | None = None, stdin: str = "", status: int = 0, environ: dict[str, str] | None = None
    ) -> str:
        words = [str(word) for word in command]
        needs_program(words[0])
        env = {**os.environ, "LC_ALL": "C.UTF-8", **(environ or {})}
        done = subprocess.run(words, cwd=cwd, input=stdin, env=env, capture_output=True, text=True, timeout=240)
        assert done.returncode == status, f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    return run
