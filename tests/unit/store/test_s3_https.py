"""HTTPS to a server with a certificate of the test's own: trusted where it is named, else refused, and never shortened."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kumofs.errors import StoreRefused
from kumofs.store.s3_body import Body
from kumofs.store.s3_errors import s3_errors
from kumofs.store.s3_http import Connections, Reply
from kumofs.store.s3_retry import Attempt

LARGE = os.urandom(5 << 20)
MAKE_CERTIFICATE = (
    *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=s3.example.org"),
    *("-addext", "subjectAltName=IP:127.0.0.1"),
)


class Echo(BaseHTTPRequestHandler):
    """Keeps what is put, gives it back, and tells which connection it came by."""

    protocol_version = "HTTP/1.1"
    kept = b""

    def do_PUT(self) -> None:
        type(self).kept = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(b"")

    def do_GET(self) -> None:
        self.answer(self.kept)

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Port", str(self.client_address[1]))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class Listening(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Who does not trust us goes away in the middle."""


@dataclass(frozen=True)
class Server:
    endpoint: str
    certificate: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: scripts/install-system-packages test")
    place: Path = tmp_path_factory.mktemp("tls")
    key, certificate = place / "key.pem", place / "certificate.pem"
    subprocess.run(
        [*MAKE_CERTIFICATE, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Listening(("127.0.0.1", 0), Echo) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield Server(f"https://127.0.0.1:{listening.server_port}", str(certificate))
        listening.shutdown()
        thread.join()


def ask(connections: Connections, method: str, body: bytes = b"") -> Reply:
    headers = {"Host": "127.0.0.1"} | ({"Content-Length": str(len(body))} if method == "PUT" else {})
    attempt = Attempt(time.monotonic() + 20)
    return connections.exchange(method, "/a", headers=headers, body=Body(body), attempt=attempt, read_s=10.0)


def test_what_is_sent_comes_back_over_one_connection(server: Server) -> None:
    connections = Connections(server.endpoint, server.certificate)
    replies = [ask(connections, "PUT", LARGE), ask(connections, "GET"), ask(connections, "GET")]
    connections.close()
    assert [reply.body == LARGE for reply in replies] == [False, True, True]
    assert len({reply.headers["X-Port"] for reply in replies}) == 1


def test_a_certificate_that_nobody_vouches_for_is_refused(server: Server) -> None:
    with pytest.raises(StoreRefused, match="AWS_CA_BUNDLE"), s3_errors("'a' in s3://b"):
        ask(Connections(server.endpoint), "GET")


def test_a_certificate_for_another_name_is_refused(server: Server) -> None:
    other = server.endpoint.replace("127.0.0.1", "localhost")
    with pytest.raises(StoreRefused, match="certificate"), s3_errors("'a' in s3://b"):
        ask(Connections(other, server.certificate), "GET")
