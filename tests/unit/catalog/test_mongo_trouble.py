"""What opening and asking a MongoDB catalog says when something is wrong: one line, soon enough, and never a password."""

from __future__ import annotations

import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import bson
import pytest
from pymongo.errors import AutoReconnect, BulkWriteError, ConfigurationError, OperationFailure, WriteConcernError, WTimeoutError

from kumofs.catalog.mongo import open_mongo
from kumofs.catalog.mongo_certain import bulk_in_doubt
from kumofs.catalog.mongo_errors import explained, in_doubt, wrong_url
from kumofs.errors import CatalogUnavailable, ConfigError

DEADLINE_S = 1.5
ENDS_S = 60  # a slow machine; without a bound it would be for ever


def complaint(url: str) -> str:
    """What opening says; the deadline has to end it."""
    began = time.monotonic()
    with pytest.raises(CatalogUnavailable) as caught:
        open_mongo(url, deadline_s=DEADLINE_S)
    assert time.monotonic() - began < ENDS_S
    said = str(caught.value)
    assert "\n" not in said
    assert "s3cret" not in said
    return said


@pytest.fixture
def listening() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    """Starts a server that does something with each connection; its port."""
    listeners = []

    def serve(act: Callable[[socket.socket], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=act, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        port: int = listener.getsockname()[1]
        return port

    yield serve
    for listener in listeners:
        listener.close()


def answer(connection: socket.socket) -> None:
    """A server that says hello, and to everything else that the password is wrong."""
    hello = {"ismaster": True, "maxWireVersion": 13, "minWireVersion": 0, "maxBsonObjectSize": 2**24, "ok": 1.0}
    refused = {"ok": 0.0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "Authentication failed."}
    with suppress(OSError, struct.error), connection:
        while True:
            size, request, _, code = struct.unpack("<iiii", connection.recv(16, socket.MSG_WAITALL))
            rest = connection.recv(size - 16, socket.MSG_WAITALL)
            if code == 2004:
                body = bson.encode(hello)
                head = struct.pack("<iiii", 36 + len(body), 1, request, 1) + struct.pack("<iqii", 0, 0, 0, 1)
            else:
                body = bson.encode(hello if b"ismaster" in rest.lower() else refused)
                head = struct.pack("<iiii", 21 + len(body), 1, request, 2013) + b"\0\0\0\0\0"
            connection.sendall(head + body)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert complaint(f"mongodb://ada:s3cret@127.0.0.1:{port}/k") == (
        f"the catalog at 127.0.0.1:{port} refuses connections: is the server running, on that port?"
    )


def test_no_such_host() -> None:
    said = complaint("mongodb://ada:s3cret@no-such-host.invalid/k")
    assert said.startswith("the catalog's host no-such-host.invalid is not known by that name")


def test_a_black_hole_ends_at_the_deadline(listening) -> None:
    port = listening(lambda connection: time.sleep(600))
    assert f"the catalog at 127.0.0.1:{port} does not answer" in complaint(f"mongodb://127.0.0.1:{port}/k")


def test_a_wrong_password(listening) -> None:
    port = listening(answer)
    said = complaint(f"mongodb://ada:s3cret@127.0.0.1:{port}/k?authMechanism=SCRAM-SHA-256")
    assert said.startswith(f"the catalog at 127.0.0.1:{port} does not accept the user and password")


def test_a_certificate_that_nobody_vouches_for(listening, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("NOT TESTED: a certificate needs openssl")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    subprocess.run([*made, "-keyout", tmp_path / "key", "-out", tmp_path / "crt"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")

    def shake_hands(connection: socket.socket) -> None:
        with suppress(OSError):
            context.wrap_socket(connection, server_side=True)

    port = listening(shake_hands)
    assert complaint(f"mongodb://127.0.0.1:{port}/k?tls=true").startswith(
        f"no TLS connection to the catalog at 127.0.0.1:{port}: "
    )


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://ada:s3cret@host",  # no database
        "mongodb://ada:s3cret@host:port/k",
        "mongodb://ada:s3/cret@host/k",
        "mongodb://ada:s3cret:more@host/k",
        "mongodb://ada:s3cret@more@host/k",
        "mongodb://ada:s3%cret@host/k",
        "mongodb://ada:s3cret@host/k?tls=perhaps",
        "mongodb://ada:s3cret@host/k?tls=true&tlsCAFile=/no/such/file",
        "mongodb://",
    ],
)
def test_a_wrong_url_is_a_setting_that_is_wrong_and_not_quoted(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_mongo(url)
    said = str(caught.value)
    assert said.startswith("the catalog's URL is not mongodb://")
    assert "s3" not in said
    assert "cret" not in said
    assert caught.value.__cause__ is None


def test_a_reason_with_a_password_in_it_is_not_told() -> None:
    url = "mongodb://ada:s3cret@host/k"
    assert "s3cret" not in str(wrong_url(ConfigurationError("no good: 's3cret'"), url))
    assert "no good" in str(wrong_url(ConfigurationError("no good"), url))


def test_a_role_that_is_missing_is_named() -> None:
    assert "readWrite" in explained(OperationFailure("not authorized on k to execute command", 13), "host")


def test_documentdb_is_told_what_it_needs() -> None:
    assert "retryWrites=false" in explained(OperationFailure("Retryable writes are not supported", 301), "host")


@pytest.mark.parametrize(
    ("problem", "doubt"),
    [
        (AutoReconnect("connection closed"), True),
        (WTimeoutError("waiting for replication timed out", 64), True),
        (WriteConcernError("not enough members", 100), True),
        (OperationFailure("operation exceeded time limit", 50), True),
        (OperationFailure("interrupted at shutdown", 11600), True),
        (OperationFailure("not authorized", 13), False),
        (OperationFailure("duplicate", 11000), False),
        (ConfigurationError("no"), False),
    ],
)
def test_only_what_is_no_final_answer_leaves_a_write_in_doubt(problem: Exception, doubt: bool) -> None:
    assert in_doubt(problem) == doubt


def test_a_bulk_write_without_its_majority_is_in_doubt() -> None:
    late = {"writeErrors": [], "writeConcernErrors": [{"code": 64, "errmsg": "waiting for replication timed out"}]}
    assert bulk_in_doubt(BulkWriteError(late))
    assert bulk_in_doubt(BulkWriteError({"writeErrors": [{"code": 91, "index": 0}]}))
    assert not bulk_in_doubt(BulkWriteError({"writeErrors": [{"code": 121, "index": 0}], "writeConcernErrors": []}))
