"""A drive whose servers are behind a TCP proxy, which fails as a test says; and a person who works in the drive meanwhile."""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pytest

from tests.conftest import MONGODB, S3, World, needs_fuse
from tests.together.conftest import OtherMachine, tell_logs

TOXIPROXY = os.environ.get("KUMOFS_TEST_TOXIPROXY")
SLACK_S = 13.0
"""Much for a busy machine; yet with a deadline of 5 s it is less than what the drivers of the servers wait by themselves."""
RECOVERY_S = 90.0
LARGE_BYTES = 3 << 20
T = TypeVar("T")


# --- the proxy


@dataclass(frozen=True)
class Proxy:
    """A proxy before one server; `address` is host:port. What it does wrong ends with the block."""

    name: str
    address: str
    upstream: str

    @classmethod
    def before(cls, upstream: str) -> Proxy:
        name = f"kumofs-{os.urandom(6).hex()}"
        made = api("POST", "/proxies", name=name, listen="127.0.0.1:0", upstream=upstream, enabled=True)
        return cls(name, made["listen"], upstream)

    def remove(self) -> None:
        api("DELETE", f"/proxies/{self.name}")

    @contextmanager
    def refuses(self) -> Iterator[None]:
        """Nobody listens, and who was connected is so no more."""
        self._set(enabled=False)
        try:
            yield
        finally:
            self._set(enabled=True)

    @contextmanager
    def toxic(self, *kinds: tuple[str, str, dict[str, int]]) -> Iterator[None]:
        """toxiproxy's toxics, each (type, stream, attributes), on old connections and new ones."""
        names = [f"{kind}-{stream}" for kind, stream, _ in kinds]
        for kind, stream, attributes in kinds:
            api("POST", f"/proxies/{self.name}/toxics", type=kind, stream=stream, attributes=attributes)
        try:
            yield
        finally:
            for name in names:
                api("DELETE", f"/proxies/{self.name}/toxics/{name.replace('-', '_')}")

    @contextmanager
    def answers(self, status: int, code: str) -> Iterator[None]:
        """Another server answers in the place of S3: an error, whatever it is asked."""
        with ThreadingHTTPServer(("127.0.0.1", 0), refusal(status, code)) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            self._set(upstream=f"127.0.0.1:{server.server_port}")
            try:
                yield
            finally:
                self._set(upstream=self.upstream)
                server.shutdown()
                thread.join()

    def _set(self, **fields: object) -> None:
        now = api("GET", f"/proxies/{self.name}")
        api("POST", f"/proxies/{self.name}", **{key: now[key] for key in ("listen", "upstream", "enabled")} | fields)


def api(method: str, path: str, **fields: object) -> dict:
    body = json.dumps(fields).encode() if fields else None
    request = urllib.request.Request(f"{TOXIPROXY}{path}", body, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"{}")


def refusal(status: int, code: str) -> type[BaseHTTPRequestHandler]:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>not now</Message></Error>'.encode()

    class Refusal(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:  # the other side has gone
                self.close_connection = True

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

        def log_message(self, *_: object) -> None: ...

    return Refusal


# --- the drive behind it


@dataclass
class ProxiedWorld(World):
    """A world whose servers are where the proxies listen."""

    store_proxy: Proxy
    catalog_proxy: Proxy | None
    deadline_s: int

    def __post_init__(self) -> None:
        super().__post_init__()
        lines = [f"deadline_s = {self.deadline_s}"]
        for line in self.config_file.read_text().splitlines():
            if line.startswith("endpoint ="):
                line = f'endpoint = "http://{self.store_proxy.address}"'
            if line.startswith("catalog =") and self.catalog_proxy is not None:
                url = urlsplit(line.split('"')[1])
                who = url.netloc.rpartition("@")[0]
                netloc = f"{who}@{self.catalog_proxy.address}" if who else self.catalog_proxy.address
                # of a replica set no other member may be asked: it is not behind the proxy
                line = f'catalog = "{url._replace(netloc=netloc, query=url.query or "directConnection=true").geturl()}"'
            lines.append(line)
        self.config_file.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def store_proxy() -> Iterator[Proxy]:
    needs_servers()
    proxy = Proxy.before(host_and_port(str(S3), 80))
    yield proxy
    proxy.remove()


@pytest.fixture(scope="module")
def catalog_proxy() -> Iterator[Proxy | None]:
    """None where the catalog is a file."""
    needs_servers()
    proxy = Proxy.before(host_and_port(MONGODB, 27017)) if MONGODB else None
    yield proxy
    if proxy is not None:
        proxy.remove()


def needs_servers() -> None:
    if not S3 or not TOXIPROXY:
        pytest.skip("NOT RUN: faults need servers, KUMOFS_TEST_S3 and KUMOFS_TEST_TOXIPROXY: make test-services")
    if urlsplit(S3).scheme != "http":
        pytest.skip("NOT RUN: a server of https cannot be reached by the address of a proxy")


def host_and_port(url: str, default_port: int) -> str:
    parts = urlsplit(url.partition(",")[0])
    return f"{socket.gethostbyname(str(parts.hostname))}:{parts.port or default_port}"


@dataclass(frozen=True)
class Machines:
    """Two mounts of one home: `here` is worked in, `there` is where the files come from and are looked at again."""

    here: World
    there: World
    persons: list[Person]


@pytest.fixture(scope="module")
def machines(
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
    store_proxy: Proxy,
    catalog_proxy: Proxy | None,
) -> Iterator[Machines]:
    """Mounted once for all faults of a module, with its DEADLINE_S; at the end a third, fresh mount has to show the same."""
    needs_fuse()
    base = tmp_path_factory.mktemp("faults")
    for name in ("here", "there", "fresh"):
        (base / name).mkdir()
    here = ProxiedWorld(base / "here", store_proxy, catalog_proxy, request.module.DEADLINE_S)
    there, fresh = (OtherMachine(base / name, here) for name in ("there", "fresh"))
    try:
        here.signup()
        here.mount()
        there.mount("drive", "--write-through")
        made = Machines(here, there, [])
        yield made
        drive = fresh.mount()
        for person in made.persons:
            person.check(drive / person.folder)
        for world in (fresh, there, here):
            world.umount()
            assert "Traceback" not in world.log(), world.log()
    finally:
        for world in (fresh, there, here):
            world.close()


@pytest.fixture
def person(machines: Machines) -> Iterator[Person]:
    """In a folder of its own with known files, whose bytes nobody has read here. The logs are told where the test fails."""
    made = Person(machines)
    try:
        made.fill()
        made.look_around()
        machines.persons.append(made)
        yield made
    finally:
        tell_logs(machines.here, machines.there)


# --- who works in it


class Person:
    """Works in a folder while something fails. `files` has what each name may stand for; None: nothing."""

    def __init__(self, machines: Machines) -> None:
        self.world = machines.here
        self.folder = os.urandom(4).hex()
        self.drive = machines.here.base / "drive" / self.folder
        self.other = machines.there.base / "drive" / self.folder
        self.answer_max_s = machines.here.settings.deadline_s + SLACK_S
        self.files: dict[str, set[bytes | None]] = {}
        self.moves: list[tuple[str, str]] = []
        self.errors: list[str] = []

    def fill(self) -> None:
        """What is there before anything fails; it comes from the other machine."""
        for name in ("cold/a", "warm/a", "warm/b", "warm/large", "edited/a", "renamed/a", "saved/a", "new/first"):
            body = os.urandom(LARGE_BYTES if name == "warm/large" else 5000)
            (self.other / name).parent.mkdir(parents=True, exist_ok=True)
            (self.other / name).write_bytes(body)
            self.files[name] = {body}

    def look_around(self) -> None:
        """See the names, but no bytes, and nothing of `cold`. What an earlier fault holds up may linger."""
        until("what the other machine wrote", lambda: (self.drive / "new" / "first").exists())
        until("all folders", self.sees_all)

    def sees_all(self) -> bool:
        for folder in ("warm", "edited", "renamed", "saved", "new"):
            for path in (self.drive / folder).iterdir():
                path.stat()
        return (self.drive / "cold").is_dir()

    def work(self) -> None:
        """One of everything, at the same time and each in a folder of its own: the kernel lets folders wait for each other."""
        jobs = [self.see_cold, self.see_warm, self.edit, self.write, self.rename, self.save]
        reads = [lambda name=name: self.read(name) for name in ("warm/a", "warm/b", "warm/large")]
        with ThreadPoolExecutor(16) as threads:
            for job in [threads.submit(job) for job in (*reads, *jobs)]:
                job.result()

    def see_cold(self) -> None:
        self.ls("cold")
        self.read("cold/a")

    def see_warm(self) -> None:
        self.ls("warm")
        for name in ("warm/a", "warm/large"):
            status = self.call("stat", (self.drive / name).stat)
            assert status is None or status.st_size in {len(body or b"") for body in self.files[name]}, f"{name} is short"

    def ls(self, folder: str) -> None:
        names = self.call("ls", lambda: os.listdir(self.drive / folder))
        sure = {name.split("/")[1] for name, may in self.files.items() if name.startswith(f"{folder}/") and None not in may}
        assert names is None or set(names) >= sure, f"{folder} shows {names}, and has {sure}"

    def read(self, name: str) -> bytes | None:
        body = self.call("read", (self.drive / name).read_bytes)
        assert body is None or body in self.files[name], f"{name}: {len(body)} bytes that are not the file's"
        return body

    def edit(self) -> None:
        (old,) = self.files["edited/a"]
        new = old + os.urandom(3000)

        def append() -> bool:
            with (self.drive / "edited" / "a").open("ab") as file:
                file.write(new[len(old) :])
            return True

        self.files["edited/a"] = {old, new}
        if self.call("append", append):
            self.files["edited/a"] = {new}

    def write(self) -> None:
        """New files; what was closed reads at once, wherever it is."""
        for number in range(2):
            name, body = f"new/{number}", os.urandom(200_000)
            self.files[name] = {None, b"", body}
            if self.call("write", lambda name=name, body=body: (self.drive / name).write_bytes(body)):
                self.files[name] = {body}
                self.read(name)

    def rename(self) -> None:
        self.move("renamed/a", "renamed/b")

    def save(self) -> None:
        """As editors do: under a temporary name, then over the old one."""
        body = os.urandom(5000)
        self.files["saved/tmp"] = {None, b"", body}
        if self.call("write", lambda: (self.drive / "saved/tmp").write_bytes(body)):
            self.files["saved/tmp"] = {body}
            self.move("saved/tmp", "saved/a")

    def move(self, old: str, new: str) -> None:
        body, there = self.files[old], self.files.get(new, {None})
        self.files[old], self.files[new] = body | {None}, there | body
        if self.call("rename", lambda: (self.drive / old).rename(self.drive / new) or True):
            self.files[old], self.files[new] = {None}, body
        else:
            self.moves.append((old, new))

    def call(self, verb: str, action: Callable[[], T]) -> T | None:
        """What it gives; None for EIO, which has to come in time. Nothing else is an answer to what cannot be asked."""
        began = time.monotonic()
        try:
            return action()
        except OSError as problem:
            assert problem.errno == errno.EIO, f"{verb}: {problem!r}"
            self.errors.append(verb)
            return None
        finally:
            took_s = time.monotonic() - began
            assert took_s < self.answer_max_s, f"{verb} took {took_s:.1f} s"

    # --- afterwards

    def recover(self) -> None:
        """Without a remount: everything goes out, and everything can be read again, here and on the other machine."""
        until("sync", lambda: self.world.call("sync")[0] == 0)
        until("the listings", self.can_list)
        # an EIO may linger here, for what was asked before the fault ended is still being done; other bytes may not
        until("what is here", lambda: self.check(self.drive) is None)
        until("what was written", lambda: self.is_seen(self.other))
        self.check(self.other)

    def is_seen(self, drive: Path) -> bool:
        """Whether another machine sees what the fault began with: its feed takes a second, and it was cut off, too."""
        try:
            self.check(drive)
        except (AssertionError, OSError):
            return False
        return True

    def can_list(self) -> bool:
        for folder in ("cold", "warm", "renamed"):
            assert os.listdir(self.drive / folder), f"{folder} is shown empty"
        return True

    def check(self, drive: Path) -> None:
        """Each file is what it may be; a rename that was not answered was done, or not, but nothing between."""
        for old, new in self.moves:
            until("the rename", lambda old=old, new=new: len(there(drive, old, new)) >= 1)
        for name, may in self.files.items():
            body = body_of(drive / name)
            assert body in may, f"{name}: {None if body is None else len(body)} bytes that are not the file's"
        for folder in ("cold", "warm", "edited", "renamed", "saved", "new"):
            names = {f"{folder}/{name}" for name in os.listdir(drive / folder)}
            assert names <= set(self.files), f"came from nowhere: {names - set(self.files)}"


def there(drive: Path, old: str, new: str) -> list[str]:
    return [name for name in (old, new) if (drive / name).exists()]


def body_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def until(what: str, check: Callable[[], bool]) -> None:
    """Wait until it is so, and not EIO."""
    began = time.monotonic()
    while not answers(check):
        assert time.monotonic() - began < RECOVERY_S, f"{what}: not back after {RECOVERY_S} s"
        time.sleep(0.2)


def answers(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except OSError as problem:
        if problem.errno != errno.EIO:
            raise
        return False
