"""HTTP/1.1 for the requests that files are made of: connections that are kept, one request at a time on each.

urllib3 takes about 1 ms of CPU for a request and its answer, this 0.2 to 0.4 (docs/decisions/0011). Names, TLS and proxies
are the standard library's, which connects; what is sent and read afterwards is here. An exchange is one attempt: what goes
wrong is an OSError, or StoreUnavailable where the time is over, and its connection is closed.
"""

from __future__ import annotations

import ssl
import threading
from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import unquote, urlsplit

from kumofs.errors import ConfigError, StoreUnavailable
from kumofs.model import Bytes
from kumofs.store.pages import PAGES
from kumofs.store.s3_body import Body
from kumofs.store.s3_client import CONNECT_TIMEOUT_S, CONNECTIONS_MAX
from kumofs.store.s3_line import Line
from kumofs.store.s3_retry import Attempt

HEAD_MAX_BYTES = 64 * 1024
"""The longest head of an answer, or line of a chunked body."""


class BadAnswer(OSError):
    """What came is no answer in HTTP/1.1, or ended before its time."""


class Headers(dict[str, str]):
    """Headers of an answer; their names are in small letters here, and looked for in any."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a header."""
        return super().get(name.lower(), default)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: Bytes


class Connections:
    """Connections to one server. Thread-safe. `ca_file`: whose certificates are trusted, instead of the system's.

    `proxy` is the URL of an HTTP proxy that leads to an https endpoint.
    """

    def __init__(self, endpoint: str, ca_file: str | None = None, proxy: str | None = None) -> None:
        parts = urlsplit(endpoint)
        self._host = parts.hostname or ""
        self._port = parts.port
        self._tls = trusting(ca_file) if parts.scheme == "https" else None
        self._proxy = proxy
        self._idle: deque[Line] = deque()
        self._room = threading.BoundedSemaphore(CONNECTIONS_MAX)
        self._closed = False

    def exchange(
        self, method: str, target: str, *, headers: Mapping[str, str], body: Body, attempt: Attempt, read_s: float
    ) -> Reply:
        """Send a request and read the answer. `read_s`: how long either side may be silent. OSError, StoreUnavailable."""
        if not self._room.acquire(timeout=attempt.left_s):
            raise StoreUnavailable("no connection to the store was free in time")
        try:
            line = self._take(attempt)
            try:
                incoming = Incoming(line, attempt, read_s)
                send(incoming, head_of(method, target, headers), body)
                reply, last = incoming.reply(method)
            except BaseException:
                line.close()
                raise
            if last or self._closed:
                line.close()
            else:
                self._idle.append(line)
            return reply
        finally:
            self._room.release()

    def close(self) -> None:
        """Close the connections that nobody uses; those in use are closed after their answer."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _take(self, attempt: Attempt) -> Line:
        """The connection that was used last, unless the server has closed it; else a new one."""
        while True:
            try:
                line = self._idle.pop()
            except IndexError:
                return self._connected(min(CONNECT_TIMEOUT_S, attempt.left_s))
            if not line.is_stale:
                return line
            line.close()

    def _connected(self, within_s: float) -> Line:
        made = self._made(within_s)
        try:
            made.connect()
        except HTTPException as problem:
            made.close()
            raise BadAnswer(str(problem)) from problem
        except BaseException:
            made.close()
            raise
        return Line(made.sock)

    def _made(self, within_s: float) -> HTTPConnection:
        if self._tls is None:
            return HTTPConnection(self._host, self._port, timeout=within_s)
        if self._proxy is None:
            return HTTPSConnection(self._host, self._port, timeout=within_s, context=self._tls)
        proxy = urlsplit(self._proxy if "://" in self._proxy else f"http://{self._proxy}")
        if proxy.scheme != "http":
            raise ConfigError("the proxy for https must be one that is spoken to in plain HTTP: http://host:port")
        made = HTTPSConnection(proxy.hostname or "", proxy.port or 80, timeout=within_s, context=self._tls)
        made.set_tunnel(self._host, self._port or 443, proxy_headers(proxy.username, proxy.password))
        return made


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """What certificates are checked by. ConfigError where they cannot be read."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as problem:
        raise ConfigError(f"the certificates in {ca_file} (AWS_CA_BUNDLE) cannot be read: {problem.strerror}") from problem
    context.set_alpn_protocols(["http/1.1"])
    return context


def proxy_headers(user: str | None, password: str | None) -> dict[str, str]:
    """What a proxy is told of who asks."""
    if user is None:
        return {}
    told = f"{unquote(user)}:{unquote(password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(told.encode()).decode()}"}


def head_of(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """The head of a request, whose values have no line breaks (`s3_headers` sees to that)."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {target} HTTP/1.1\r\n{fields}\r\n".encode("latin-1")


def send(incoming: Incoming, head: bytes, body: Body) -> None:
    """Send a request. Where the server closes the connection meanwhile it may have said why: that is read then."""
    rest = body.blocks()
    first = next(rest, b"")
    try:
        incoming.send(b"".join((head, first)))
        for block in rest:
            incoming.send(block)
    except (BrokenPipeError, ConnectionResetError):
        with suppress(OSError):
            if incoming.fill():
                return
        raise


class Incoming:
    """One exchange on a connection: what has come of the answer and is not looked at yet."""

    def __init__(self, line: Line, attempt: Attempt, read_s: float) -> None:
        self._line = line
        self._attempt = attempt
        self._silent_s = read_s
        self._ahead = b""

    def send(self, block: bytes | memoryview) -> None:
        """Send one block of a request."""
        self._bound_wait()
        self._line.send(block)

    def fill(self) -> bool:
        """Wait for more of the answer. False: there is no more."""
        self._bound_wait()
        block = self._line.receive(HEAD_MAX_BYTES)
        self._ahead = self._ahead + block if self._ahead else block
        return bool(block)

    def reply(self, method: str) -> tuple[Reply, bool]:
        """The answer, and whether the connection ends with it."""
        while True:
            version, status, headers = parsed(self._until(b"\r\n\r\n"))
            if status >= 200:
                break
        last = version != "HTTP/1.1" or "close" in headers.get("Connection", "").lower()
        length = headers.get("Content-Length")
        if method == "HEAD" or status in (204, 304):
            return Reply(status, headers, b""), last
        if "chunked" in headers.get("Transfer-Encoding", "").lower():
            return Reply(status, headers, self._chunked()), last
        if length is None:
            return Reply(status, headers, self._to_the_end()), True
        if not length.isdecimal():
            raise BadAnswer("the answer's length is no number")
        return Reply(status, headers, self._exactly(int(length))), last

    def _bound_wait(self) -> None:
        """Before every wait: it ends with the silence that is borne, or with the attempt. StoreUnavailable: that is over."""
        self._line.bound(min(self._silent_s, self._attempt.left_s))

    def _until(self, mark: bytes) -> bytes:
        """What comes before a mark, which is taken away with it."""
        looked = 0
        while (at := self._ahead.find(mark, looked)) < 0:
            if len(self._ahead) > HEAD_MAX_BYTES:
                raise BadAnswer("the head of the answer is too long")
            looked = max(0, len(self._ahead) - len(mark) + 1)
            if not self.fill():
                raise BadAnswer("the server closed the connection without an answer")
        found, self._ahead = self._ahead[:at], self._ahead[at + len(mark) :]
        return found

    def _exactly(self, length: int) -> Bytes:
        found, self._ahead = self._ahead[:length], self._ahead[length:]
        if len(found) == length:
            return found
        view, done = PAGES.take(length), len(found)
        view[:done] = found
        while done < length:
            self._bound_wait()
            more = self._line.receive_into(view[done:])
            if not more:
                raise BadAnswer("the server closed the connection before the end of its answer")
            done += more
        return view

    def _chunked(self) -> bytes:
        chunks: list[Bytes] = []
        while size := chunk_size(self._until(b"\r\n")):
            chunks.append(self._exactly(size))
            if self._exactly(2) != b"\r\n":
                raise BadAnswer("the answer's chunks do not fit")
        while self._until(b"\r\n"):  # trailers
            pass
        return b"".join(chunks)

    def _to_the_end(self) -> bytes:
        blocks = [self._ahead]
        self._ahead = b""
        while self.fill():
            blocks.append(self._ahead)
            self._ahead = b""
        return b"".join(blocks)


def parsed(head: bytes) -> tuple[str, int, Headers]:
    """Version, status and headers of an answer's head. BadAnswer."""
    lines = head.decode("latin-1").split("\r\n")
    version, _, rest = lines[0].partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
        raise BadAnswer("the server does not speak HTTP/1.1")
    headers = Headers()
    for line in lines[1:]:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return version, int(rest[:3]), headers


def chunk_size(line: bytes) -> int:
    """The size that a chunk begins with. BadAnswer."""
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        raise BadAnswer("the answer's chunks have no sizes") from None
