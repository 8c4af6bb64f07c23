"""S3 behind a proxy that swallows an answer after the server has done what was asked, at every request of every operation."""

from __future__ import annotations

import http.client
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from time import sleep
from typing import Any
from urllib.parse import urlsplit

import pytest

from kumofs.errors import NoSuchObject, PreconditionFailed, StoreUnavailable
from kumofs.store.pieces import Piece
from kumofs.store.s3 import ONE_PUT_MAX_BYTES, S3Store
from kumofs.store.s3_client import Bucket
from kumofs.store.s3_copying import READ_MAX_BYTES
from kumofs.store.s3_http import Reply
from kumofs.store.s3_objects import CLOCK_STEP_S
from kumofs.store.s3_retry import Attempt
from kumofs.store.s3_wire import Wire

BODY = b"what was meant"
METADATA = {"kumo-ino": "7"}
LARGE = READ_MAX_BYTES + 1000


class Forwarder(BaseHTTPRequestHandler):
    """Hands a request on and its answer back, unless that is the one to lose."""

    protocol_version = "HTTP/1.1"
    server: LossyProxy

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=30)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            upstream.putheader(name, value)
        upstream.endheaders(body)
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        if self.server.loses():
            self.close_connection = True
            return
        head = [f"HTTP/1.1 {answer.status} {answer.reason}"]
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in ("transfer-encoding", "connection")]
        head += [f"{name}: {value}" for name, value in kept]
        if not any(name.lower() == "content-length" for name, _ in kept):
            head.append(f"Content-Length: {len(content)}")
        self.wfile.write("\r\n".join([*head, "", ""]).encode("latin-1") + content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward

    def log_message(self, *args: object) -> None:
        """Silent."""


class LossyProxy(ThreadingHTTPServer):
    """A proxy that counts answers, and swallows the one that `lost` numbers (from 0; None for none)."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), Forwarder)
        self.upstream = upstream
        self.lost: int | None = None
        self.count = 0
        self._lock = Lock()

    def loses(self) -> bool:
        with self._lock:
            self.count += 1
            return self.count - 1 == self.lost

    def begin(self, lost: int | None) -> None:
        self.count, self.lost = 0, lost


@pytest.fixture(params=["s3-moto", "s3-server"])
def lossy(request: pytest.FixtureRequest) -> Iterator[tuple[S3Store, LossyProxy]]:
    """An empty S3 store behind the proxy."""
    place = request.getfixturevalue("moto_place" if request.param == "s3-moto" else "server_place")
    bucket, settings, features, session = place
    proxy = LossyProxy(urlsplit(settings.endpoint).netloc)
    thread = Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    through = replace(settings, endpoint=f"http://127.0.0.1:{proxy.server_port}")
    store = S3Store(Bucket(bucket.name, f"lost-{secrets.token_hex(6)}"), through, features, session)
    yield store, proxy
    proxy.begin(None)
    for key, upload_id, _ in store.list_uploads():
        store.abort_upload(key, upload_id)
    for info in list(store.list()):
        store.delete(info.key)
    store.close()
    proxy.shutdown()
    proxy.server_close()
    thread.join()


def put(store: S3Store, key: str) -> Callable[[], object]:
    return lambda: store.put(key, BODY, metadata=METADATA)


def put_new(store: S3Store, key: str) -> Callable[[], object]:
    return lambda: store.put(key, BODY, metadata=METADATA, if_none_match=True)


def put_over(store: S3Store, key: str) -> Callable[[], object]:
    old = store.put(key, b"old")
    return lambda: store.put(key, BODY, metadata=METADATA, if_match=old.etag)


def complete_new(store: S3Store, key: str) -> Callable[[], object]:
    upload_id = store.create_upload(key, metadata=METADATA)
    parts = [(1, store.upload_part(key, upload_id, 1, BODY))]
    return lambda: store.complete_upload(key, upload_id, parts, if_none_match=True)


def complete_over(store: S3Store, key: str) -> Callable[[], object]:
    old = store.put(key, b"old")
    upload_id = store.create_upload(key, metadata=METADATA)
    parts = [(1, store.upload_part(key, upload_id, 1, BODY))]
    return lambda: store.complete_upload(key, upload_id, parts, if_match=old.etag)


def upload_all(store: S3Store, key: str) -> Callable[[], object]:
    def run() -> None:
        upload_id = store.create_upload(key, metadata=METADATA)
        store.complete_upload(key, upload_id, [(1, store.upload_part(key, upload_id, 1, BODY))], if_none_match=True)

    return run


def copy(store: S3Store, key: str) -> Callable[[], object]:
    source = store.put(f"{key}-source", BODY, metadata=METADATA)
    return lambda: store.copy(source.key, key, if_match=source.etag)


WRITES = [put, put_new, put_over, complete_new, complete_over, upload_all, copy]


@pytest.mark.parametrize("prepare", WRITES)
def test_a_write_whose_answer_was_lost_has_succeeded(
    lossy: tuple[S3Store, LossyProxy], prepare: Callable[[S3Store, str], Callable[[], object]]
) -> None:
    store, proxy = lossy
    action = prepare(store, "d/none")
    proxy.begin(None)
    action()
    answers = proxy.count
    for lost in range(answers):
        action = prepare(store, f"d/{lost}")
        proxy.begin(lost)
        result = action()
        assert proxy.count > answers
        proxy.begin(None)
        there = store.head(f"d/{lost}")
        assert store.get(f"d/{lost}") == BODY
        assert dict(there.metadata) == METADATA
        assert result is None or getattr(result, "etag", None) == there.etag


def test_a_large_copy_whose_answers_were_lost(lossy: tuple[S3Store, LossyProxy]) -> None:
    store, proxy = lossy
    source = store.put("source", b"x" * LARGE)
    for lost in range(5):
        proxy.begin(lost)
        info = store.copy("source", f"d/{lost}", if_match=source.etag)
        proxy.begin(None)
        there = store.head(f"d/{lost}")
        assert (there.etag, there.size) == (info.etag, LARGE)


def test_a_large_file_whose_answers_were_lost(lossy: tuple[S3Store, LossyProxy], tmp_path: Path) -> None:
    store, proxy = lossy
    source = tmp_path / "source"
    body = secrets.token_bytes(1024) * (ONE_PUT_MAX_BYTES // 1024 + 1)
    source.write_bytes(body)
    for lost in (1, 2, 3, 4):
        key = f"d/{lost}"
        proxy.begin(lost)
        info = store.put_file(key, source, if_none_match=True)
        proxy.begin(None)
        assert store.get(key, if_match=info.etag) == body


def test_pieces_whose_answers_were_lost(lossy: tuple[S3Store, LossyProxy], tmp_path: Path) -> None:
    store, proxy = lossy
    least = store.capabilities.part_min_bytes
    body, source = secrets.token_bytes(least), tmp_path / "source"
    source.write_bytes(b"\0" * least + BODY)
    pieces = [Piece(0, least, copied=True), Piece(least, len(BODY), copied=False)]
    for lost in [None, *range(6)]:  # HEAD, the upload's beginning, two parts, its end, after another HEAD for some servers
        key = f"d/{lost}"
        old = store.put(key, body)
        proxy.begin(lost)
        info = store.put_pieces(key, source, pieces, if_match=old.etag, metadata=METADATA)
        assert 5 <= proxy.count <= 6 or lost is not None
        proxy.begin(None)
        assert store.get(key, if_match=info.etag) == body + BODY
        assert dict(store.head(key).metadata) == METADATA


def test_a_delete_whose_answer_was_lost_has_succeeded(lossy: tuple[S3Store, LossyProxy]) -> None:
    store, proxy = lossy
    for lost in range(2):
        etag = store.put("a", BODY).etag
        proxy.begin(lost)
        store.delete("a", if_match=etag)
        proxy.begin(None)
        with pytest.raises(NoSuchObject):
            store.head("a")
    store.put("a", BODY)
    proxy.begin(0)
    store.delete("a")
    proxy.begin(None)
    with pytest.raises(NoSuchObject):
        store.head("a")


def test_a_repeated_delete_spares_the_same_bytes_of_somebody_else(
    lossy: tuple[S3Store, LossyProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, proxy = lossy
    etag = store.put("a", BODY, metadata={"kumo-ino": "1"}).etag

    def put_meanwhile(seconds: float) -> None:
        store.put("a", BODY, metadata={"kumo-ino": "2"}, if_none_match=True)

    monkeypatch.setattr("kumofs.store.s3_retry.sleep", put_meanwhile)
    proxy.begin(0 if store.capabilities.conditional_delete else 1)
    if store.capabilities.conditional_delete:
        with pytest.raises(StoreUnavailable, match="may be something new"):
            store.delete("a", if_match=etag)
    else:  # it was looked at before, so both are known
        store.delete("a", if_match=etag)
    monkeypatch.undo()
    assert dict(store.head("a").metadata) == {"kumo-ino": "2"}


def test_a_delete_that_never_arrived_is_repeated_where_the_object_is_an_old_one(
    lossy: tuple[S3Store, LossyProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = lossy
    etag = store.put("a", BODY).etag
    sleep(CLOCK_STEP_S + 1.5)
    lost = iter([StoreUnavailable("never arrived")])
    ask = Wire.ask

    def first_is_lost(wire: Wire, attempt: Attempt, method: str, *args: Any, **how: Any) -> Reply:
        if method == "DELETE" and (problem := next(lost, None)) is not None:
            raise problem
        return ask(wire, attempt, method, *args, **how)

    monkeypatch.setattr(Wire, "ask", first_is_lost)
    store.delete("a", if_match=etag)
    with pytest.raises(NoSuchObject):
        store.head("a")


def test_a_lost_answer_is_no_excuse_for_overwriting(lossy: tuple[S3Store, LossyProxy], monkeypatch: pytest.MonkeyPatch) -> None:
    store, proxy = lossy

    def overtake(seconds: float) -> None:
        with suppress(PreconditionFailed):
            store.put("a", b"somebody else's", if_match=store.head("a").etag)

    monkeypatch.setattr("kumofs.store.s3_retry.sleep", overtake)
    proxy.begin(0 if store.capabilities.conditional_put else 2)
    with pytest.raises(PreconditionFailed):
        store.put("a", BODY, if_none_match=True)
    monkeypatch.undo()
    assert store.get("a") == b"somebody else's"


def test_parts_are_safe_to_send_again(lossy: tuple[S3Store, LossyProxy]) -> None:
    store, proxy = lossy
    upload_id = store.create_upload("a")
    proxy.begin(0)
    first = store.upload_part("a", upload_id, 1, BODY)
    proxy.begin(None)
    store.complete_upload("a", upload_id, [(1, first)])
    proxy.begin(0)
    store.abort_upload("a", upload_id)
    assert store.get("a") == BODY
