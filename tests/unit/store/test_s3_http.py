"""Requests and answers on kept connections, with a server that answers whatever the test has written down."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kumofs.errors import ConfigError, StoreUnavailable
from kumofs.store.s3_body import Body
from kumofs.store.s3_http import BadAnswer, Connections, Reply
from kumofs.store.s3_retry import Attempt

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: x\r\n\r\nhello"


@dataclass
class Scripted:
    """A server that gives each connection its answers in turn, in the given pieces, and closes it after the last."""

    script: list[list[list[bytes]]]
    port: int = 0
    heard: list[bytes] = field(default_factory=list)

    @contextmanager
    def serving(self) -> Iterator[Connections]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            thread = threading.Thread(target=self._serve, args=(listener,), daemon=True)
            thread.start()
            connections = Connections(f"http://127.0.0.1:{self.port}")
            yield connections
            connections.close()
        thread.join(5)

    def _serve(self, listener: socket.socket) -> None:
        for answers in self.script:
            line, _ = listener.accept()
            with line:
                for pieces in answers:
                    self.heard.append(request_on(line))
                    for piece in pieces:
                        line.sendall(piece)


def request_on(line: socket.socket) -> bytes:
    """A whole request, as it was sent."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += line.recv(65536)
    head, _, body = heard.partition(b"\r\n\r\n")
    length = next((int(field.split(b":")[1]) for field in head.split(b"\r\n") if field.startswith(b"Content-Length")), 0)
    while len(body) < length:
        body += line.recv(65536)
    return head + b"\r\n\r\n" + body


def ask(connections: Connections, method: str = "GET", body: bytes = b"", within_s: float = 5.0) -> Reply:
    headers = {"Host": "here"} | ({"Content-Length": str(len(body))} if body else {})
    attempt = Attempt(time.monotonic() + within_s)
    return connections.exchange(method, "/a", headers=headers, body=Body(body), attempt=attempt, read_s=2.0)


def test_an_answer_with_a_length() -> None:
    with Scripted([[[OK]]]).serving() as server:
        reply = ask(server)
    assert (reply.status, reply.body, reply.headers["etag"], reply.headers.get("Missing")) == (200, b"hello", "x", None)


def test_one_connection_serves_many_requests() -> None:
    scripted = Scripted([[[OK], [OK], [OK]]])
    with scripted.serving() as server:
        assert [ask(server).body for _ in range(3)] == [b"hello"] * 3


def test_a_connection_that_was_closed_meanwhile_is_not_used_again() -> None:
    with Scripted([[[OK]], [[OK]]]).serving() as server:
        ask(server)
        time.sleep(0.05)
        assert ask(server).body == b"hello"


def test_a_body_is_sent_whole_with_its_head() -> None:
    scripted = Scripted([[[OK], [OK]]])
    bodies = [b"small", bytes(range(256)) * 4096]
    with scripted.serving() as server:
        for body in bodies:
            ask(server, "PUT", body)
    assert [heard.partition(b"\r\n\r\n")[2] for heard in scripted.heard] == bodies


@settings(deadline=None, max_examples=30)
@given(cuts=st.lists(st.integers(1, 120), max_size=6))
def test_an_answer_in_chunks_is_read_however_it_comes(cuts: list[int]) -> None:
    head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = head + b"3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: 1\r\n\r\n"
    edges = [0, *sorted({min(cut, len(answer)) for cut in cuts}), len(answer)]
    pieces = [answer[start:end] for start, end in pairwise(edges)]
    with Scripted([[pieces, [OK]]]).serving() as server:
        assert ask(server).body == b"hello"
        assert ask(server).body == b"hello"


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    with Scripted([[[b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo"]]]).serving() as server:
        assert ask(server).body == b"hello"


def test_the_answer_to_a_head_has_no_body() -> None:
    with Scripted([[[b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"], [OK]]]).serving() as server:
        assert ask(server, "HEAD").body == b""
        assert ask(server).body == b"hello"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\nhello\r\n0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
    ],
)
def test_what_is_short_or_no_answer_is_an_error(answer: bytes) -> None:
    with Scripted([[[answer]]]).serving() as server, pytest.raises((BadAnswer, ConnectionResetError)):
        ask(server)


def test_a_server_that_refuses_while_the_body_is_sent_is_heard() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            line, _ = listener.accept()
            with line:
                line.recv(1000)
                line.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
                line.shutdown(socket.SHUT_WR)
                while line.recv(1 << 20):
                    pass

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        reply = ask(Connections(f"http://127.0.0.1:{listener.getsockname()[1]}"), "PUT", bytes(20 << 20))
        assert (reply.status, reply.body) == (403, b"no")
        thread.join(5)


def test_a_silent_server_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        began = time.monotonic()
        with pytest.raises((TimeoutError, StoreUnavailable)):
            ask(Connections(f"http://127.0.0.1:{listener.getsockname()[1]}"), within_s=0.3)
        assert time.monotonic() - began < 1.5


def test_a_server_that_drips_ends_at_the_deadline() -> None:
    def drip(listener: socket.socket) -> None:
        line, _ = listener.accept()
        with line:
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + bytes(5000):
                try:
                    line.sendall(bytes([byte]))
                except OSError:
                    return
                time.sleep(0.01)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        with pytest.raises((TimeoutError, StoreUnavailable)):
            ask(Connections(f"http://127.0.0.1:{listener.getsockname()[1]}"), within_s=1.0)


def test_a_server_without_tls_is_no_https_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            line, _ = listener.accept()
            with line:
                line.recv(1000)
                line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(ssl.SSLError):
            ask(Connections(f"https://127.0.0.1:{listener.getsockname()[1]}"))


def test_https_goes_through_a_proxy() -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def tunnel() -> None:
            line, _ = listener.accept()
            with line:
                heard.append(request_on(line))
                line.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=tunnel, daemon=True).start()
        proxy = f"http://me:a%40b@127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(OSError, match="407"):
            ask(Connections("https://s3.example.org", proxy=proxy))
    assert heard[0].startswith(b"CONNECT s3.example.org:443 HTTP/1.")
    assert b"Proxy-Authorization: Basic bWU6YUBi" in heard[0]


def test_certificates_that_cannot_be_read_are_told() -> None:
    with pytest.raises(ConfigError, match="AWS_CA_BUNDLE"):
        Connections("https://s3.example.org", ca_file="/nowhere/ca.pem")
