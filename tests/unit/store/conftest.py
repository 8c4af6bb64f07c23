"""An S3 server that says what the test wants: the answers that real servers give only when something is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import boto3
import pytest

from kumofs.config import S3Settings
from kumofs.store.s3 import S3Store
from kumofs.store.s3_capabilities import Features
from kumofs.store.s3_client import Bucket

ALL = Features(
    conditional_put=True,
    conditional_delete=True,
    conditional_copy=True,
    copy_parts=True,
    versions=False,
    object_lock=False,
    sse=False,
    ordered_listing=True,
)


@dataclass
class Said:
    """An answer. `length` instead of the body's own; `silence_s` before it; `hang_up` instead of it."""

    status: int = 200
    code: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None
    silence_s: float = 0.0
    hang_up: bool = False

    def content(self) -> bytes:
        if not self.code:
            return self.body
        return f"<Error><Code>{self.code}</Code><Message>in its own words</Message><Region>eu-west-7</Region></Error>".encode()


class Handler(BaseHTTPRequestHandler):
    """Gives the next answer."""

    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((self.command, self.path, dict(self.headers.items()), body))
        said = self.server.next_answer(self.command)
        time.sleep(said.silence_s)
        if said.hang_up:
            self.close_connection = True
            return
        content = said.content()
        self.send_response_only(said.status)
        for name, value in {"x-amz-request-id": "1", "Date": self.date_time_string(), **said.headers}.items():
            self.send_header(name, value)
        if "Content-Length" not in said.headers:
            self.send_header("Content-Length", str(len(content) if said.length is None else said.length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.close_connection = said.length is not None

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

    def log_message(self, *args: object) -> None:
        """Silent."""


class ScriptedServer(ThreadingHTTPServer):
    """Gives the answers of `script` in turn, the last one for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Said] = []
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []

    def next_answer(self, method: str) -> Said:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def says(self, *answers: Said) -> None:
        self.script = list(answers)
        self.requests.clear()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """The server."""
    made = ScriptedServer()
    thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def quick_clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No pauses between attempts; the list has their lengths."""
    pauses: list[float] = []
    monkeypatch.setattr("kumofs.store.s3_retry.sleep", pauses.append)
    return pauses


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """Credentials; one for all tests, since boto3 takes long to read its own description of S3."""
    return boto3.Session("AKIDTHATISNONE", "secret-that-never-shows", region_name="us-east-1")


@pytest.fixture
def open_s3(server: ScriptedServer, session: boto3.Session) -> Iterator[Callable[..., S3Store]]:
    """Opens S3 stores on the server; with these features, or whatever it says."""
    opened: list[S3Store] = []

    def make(features: Features | None = ALL, prefix: str = "", **settings: str) -> S3Store:
        opened.append(S3Store(Bucket("bucket", prefix), S3Settings(endpoint=server.endpoint, **settings), features, session))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def s3(open_s3: Callable[..., S3Store]) -> S3Store:
    """An S3 store on the server, which is taken to be able to do everything."""
    return open_s3()
