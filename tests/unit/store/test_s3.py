"""Facts of the S3 store that the protocol does not promise: what is sent, what is checked, how often it is asked."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from email.utils import formatdate
from urllib.parse import quote
from zlib import crc32

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from kumofs.errors import KeyRefused, NoSuchObject, PreconditionFailed, StoreError, StoreThrottled, StoreUnavailable
from kumofs.store.s3 import S3Store
from kumofs.store.s3_headers import decoded, describing_headers, encoded
from kumofs.store.s3_keys import KeySpace
from kumofs.store.s3_signing import host_of, signed_headers

from .conftest import ALL, Said, ScriptedServer

FOUND = Said(headers={"ETag": '"e"', "Content-Length": "3", "Last-Modified": "Wed, 01 Jan 2025 00:00:00 GMT"})
PUT = Said(headers={"ETag": '"e"'})


def checksum(body: bytes) -> str:
    return b64encode(crc32(body).to_bytes(4, "big")).decode()


# -- asking again


def test_slow_down_is_heeded(s3: S3Store, server: ScriptedServer, quick_clock: list[float]) -> None:
    server.says(Said(503, "SlowDown", {"Retry-After": "3"}), Said(503, "SlowDown"), Said(503, "SlowDown"), PUT)
    s3.put("a", b"x")
    assert quick_clock[0] > 3
    assert len(quick_clock) == 3
    assert quick_clock[2] >= 1.0


def test_a_wait_beyond_the_deadline_is_not_begun(s3: S3Store, server: ScriptedServer, quick_clock: list[float]) -> None:
    server.says(Said(503, "SlowDown", {"Retry-After": "3600"}))
    with pytest.raises(StoreThrottled):
        s3.head("a")
    assert quick_clock == []


def test_the_deadline_holds_for_a_server_that_says_nothing(
    s3: S3Store, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kumofs.store.s3_objects.upload_time_s", lambda size: 2.0)
    server.says(Said(silence_s=60.0))
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        s3.get("a")
    assert time.monotonic() - began < 40


@pytest.mark.parametrize("broken", [Said(hang_up=True), Said(500, "InternalError"), Said(206, body=b"ab", length=3)])
def test_a_read_is_repeated(s3: S3Store, server: ScriptedServer, quick_clock: list[float], broken: Said) -> None:
    whole = Said(206, headers={"ETag": '"e"', "Content-Range": "bytes 5-7/100"}, body=b"abc")
    server.says(broken, broken, whole)
    assert s3.get("a", 5, 3, "e") == b"abc"
    assert len(quick_clock) == 2


# -- never a wrong byte


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (206, {"Content-Range": "bytes 5-6/100"}, b"ab"),
        (206, {"Content-Range": "bytes 4-6/100"}, b"abc"),
        (206, {}, b"abc"),
        (206, {"Content-Range": "bytes 5-8/100"}, b"abcd"),
    ],
)
def test_another_range_than_asked_for_is_no_answer(
    s3: S3Store,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    headers: dict[str, str],
    body: bytes,
) -> None:
    monkeypatch.setattr("kumofs.store.s3_objects.upload_time_s", lambda size: 0.5)
    server.says(Said(status, headers={"ETag": '"e"', **headers}, body=body))
    with pytest.raises(StoreUnavailable):
        s3.get("a", 5, 3, "e")


def test_a_server_that_knows_no_ranges(s3: S3Store, server: ScriptedServer) -> None:
    server.says(Said(headers={"ETag": '"e"'}, body=b"0123456789"))
    assert s3.get("a", 5, 3, "e") == b"567"
    assert s3.get("a", 8, 30) == b"89"


def test_a_server_that_ignores_the_condition(s3: S3Store, server: ScriptedServer) -> None:
    server.says(Said(headers={"ETag": '"other"'}, body=b"abc"))
    with pytest.raises(PreconditionFailed):
        s3.get("a", if_match="e")


def of_two_steps(etag: str, seconds_old: int, token: str = "") -> Said:
    """What a server says that looks at an object in two steps, of one that is so old."""
    named = {"Server": "VERSITYGW", "ETag": f'"{etag}"', "x-amz-meta-kumo-put": token}
    return Said(headers=named | {"Last-Modified": formatdate(time.time() - seconds_old, usegmt=True)}, body=b"abc")


def test_bytes_that_may_be_of_a_later_state_are_checked_by_another_look(s3: S3Store, server: ScriptedServer) -> None:
    server.says(of_two_steps("e", 1), of_two_steps("later", 1))
    with pytest.raises(PreconditionFailed):
        s3.get("a", if_match="e")
    server.says(of_two_steps("e", 1))
    assert s3.get("a", if_match="e") == b"abc"
    assert [request[0] for request in server.requests] == ["GET", "HEAD", "HEAD"]


def test_bytes_that_may_be_of_another_put_of_that_etag_are_read_again(
    s3: S3Store, server: ScriptedServer, quick_clock: list[float]
) -> None:
    server.says(of_two_steps("e", 1, "1"), of_two_steps("e", 1, "2"))
    assert s3.get("a", if_match="e") == b"abc"
    assert [request[0] for request in server.requests] == ["GET", "HEAD", "HEAD"] * 2


def test_bytes_that_have_been_there_for_a_while_are_not_looked_at_again(s3: S3Store, server: ScriptedServer) -> None:
    server.says(of_two_steps("e", 60))
    assert s3.get("a", if_match="e") == b"abc"
    assert s3.head("a").etag == "e"
    assert [request[0] for request in server.requests] == ["GET", "HEAD"]


def test_what_may_be_of_two_states_is_looked_at_until_two_answers_agree(s3: S3Store, server: ScriptedServer) -> None:
    server.says(of_two_steps("e", 1, "1"), of_two_steps("f", 1, "1"), of_two_steps("f", 1, "2"))
    assert s3.head("a").etag == "f"
    assert len(server.requests) == 4


def test_the_checksum_of_a_whole_object_is_checked(s3: S3Store, server: ScriptedServer, quick_clock: list[float]) -> None:
    good = {"ETag": '"e"', "x-amz-checksum-crc32": checksum(b"abc")}
    server.says(Said(headers=good, body=b"abd"), Said(headers=good, body=b"abc"))
    assert s3.get("a") == b"abc"
    assert len(server.requests) == 2
    server.says(Said(headers={**good, "x-amz-checksum-type": "COMPOSITE"}, body=b"xyz"))
    assert s3.get("a") == b"xyz"


def test_a_success_that_is_none(s3: S3Store, server: ScriptedServer, quick_clock: list[float]) -> None:
    copied = Said(body=b"<CopyObjectResult><ETag>&quot;new&quot;</ETag></CopyObjectResult>")
    failed = Said(body=b"  <Error><Code>InternalError</Code></Error>")
    server.says(FOUND, failed, Said(body=b""), copied)
    assert s3.copy("a", "b", if_match="e").etag == "new"


# -- what is sent


def test_a_put_carries_its_checksums_and_its_token(open_s3: Callable[..., S3Store], server: ScriptedServer) -> None:
    store = open_s3(prefix="deep/down", storage_class="STANDARD_IA")
    server.says(PUT)
    store.put("u1/größe #1.txt", b"abc", content_type="text/plain", metadata={"kumo-ino": "7"}, if_match="old")
    ((method, path, headers, body),) = server.requests
    assert (method, path, body) == ("PUT", "/bucket/deep/down/u1/gr%C3%B6%C3%9Fe%20%231.txt", b"abc")
    assert headers["x-amz-checksum-crc32"] == checksum(b"abc")
    assert headers["X-Amz-Content-SHA256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert headers["x-amz-storage-class"] == "STANDARD_IA"
    assert (headers["If-Match"], headers["x-amz-meta-kumo-ino"]) == ('"old"', "7")
    assert len(headers["x-amz-meta-kumo-put"]) > 10
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDTHATISNONE/")


def test_the_token_is_never_shown(s3: S3Store, server: ScriptedServer) -> None:
    server.says(Said(headers={**FOUND.headers, "x-amz-meta-kumo-put": "t", "x-amz-meta-kumo-ino": "7"}))
    assert dict(s3.head("a").metadata) == {"kumo-ino": "7"}


def test_a_native_copy_whose_answer_was_lost(s3: S3Store, server: ScriptedServer, quick_clock: list[float]) -> None:
    server.says(FOUND, Said(hang_up=True), Said(412, "PreconditionFailed"), FOUND)
    with pytest.raises(PreconditionFailed):  # what is there has no token: somebody else's
        s3.copy("a", "b", if_match="e")
    sent = next(headers for method, _, headers, _ in server.requests if method == "PUT")
    assert (sent["If-None-Match"], sent["x-amz-copy-source-if-match"]) == ("*", '"e"')
    assert (sent["x-amz-copy-source"], sent["x-amz-metadata-directive"]) == ("bucket/a", "REPLACE")


@given(
    method=st.sampled_from(["GET", "PUT", "DELETE"]),
    path=st.text(min_size=1, max_size=30),
    query=st.sampled_from(["", "uploads=", "partNumber=7&uploadId=a%2Fb"]),
    value=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20),
    token=st.sampled_from([None, "a/token=="]),
    endpoint=st.sampled_from(
        ["http://127.0.0.1:9000", "https://b.s3.eu-west-1.amazonaws.com", "https://host:443", "http://[::1]:80"]
    ),
)
def test_signatures_are_those_of_botocore(
    method: str, path: str, query: str, value: str, token: str | None, endpoint: str
) -> None:
    credentials = Credentials("AKID", "secret", token).get_frozen_credentials()
    target = f"/{quote(path, safe='/-_.~', errors='replace')}{'?' + query if query else ''}"
    headers = {"x-amz-meta-kumo-x": value, "If-None-Match": "*", "Content-Type": "text/plain"}
    mine = signed_headers(credentials, "eu-west-1", method, host_of(endpoint), target, headers, "0" * 64)

    class Signer(S3SigV4Auth):
        def payload(self, request: AWSRequest) -> str:
            return "0" * 64

    request = AWSRequest(method, endpoint + target, headers=headers)
    with pytest.MonkeyPatch.context() as patch:
        moment = datetime.strptime(mine["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
        patch.setattr("botocore.auth.get_current_datetime", lambda: moment)
        Signer(credentials, "s3", "eu-west-1").add_auth(request)
    assert mine["Authorization"] == request.headers["Authorization"]


# -- keys and metadata


@given(st.text(min_size=1, max_size=60))
def test_a_key_comes_back_as_it_was_or_is_refused(key: str) -> None:
    keys = KeySpace("prefix")
    try:
        path = keys.path(key)
    except KeyRefused:
        return
    assert keys.key(path) == key
    assert path.startswith("prefix/")


@given(
    st.lists(
        st.sampled_from(["a", ".", " .", ". ", "%", "%0A", "\n", "\x7f", "ä", " ", ".kumofs", "keys"]), min_size=1, max_size=5
    )
)
def test_keys_of_odd_parts(parts: list[str]) -> None:
    keys, key = KeySpace(""), "/".join(parts)
    try:
        path = keys.path(key)
    except KeyRefused:
        assert "." in parts or parts[0] == ".kumofs"
        return
    assert keys.key(path) == key
    assert path.isprintable()


def test_ordinary_keys_lie_in_the_bucket_as_they_are() -> None:
    keys = KeySpace("")
    for key in ("u1/a b+c%41&d;e=f?g#h", "u1/~$x|y:z\"'", "größe ☁", "...", "a/..b"):
        assert keys.path(key) == key
    assert keys.path("u1/a\nb%") == ".kumofs/keys/u1/a%0Ab%25"
    for path in (".kumofs/capabilities.json", "folder/", "a//b", ".kumofs/keys/plain"):
        assert keys.key(path) is None


@given(st.text(max_size=50))
def test_metadata_comes_back_as_it_was(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return
    sent = encoded("kumo-x", value)
    assert sent.isascii()
    assert sent == sent.strip()
    assert decoded(sent) == value


def test_metadata_that_s3_does_not_take() -> None:
    for metadata in ({"kumo-tags": "x" * 2050}, {"Kumo": "x"}, {"a b": "x"}):
        with pytest.raises(StoreError):
            describing_headers(None, metadata, "t")
    with pytest.raises(StoreError):
        describing_headers("text/plain\r\nx: y", None, "t")


def test_keys_that_s3_does_not_take(s3: S3Store, server: ScriptedServer) -> None:
    server.says(PUT)
    for key in (".kumofs/x", "x" * 1025, "ä" * 513):
        with pytest.raises(KeyRefused):
            s3.put(key, b"")
    assert server.requests == []


# -- capabilities


def test_a_record_is_read_once_and_nothing_is_tried(open_s3: Callable[..., S3Store], server: ScriptedServer) -> None:
    names = [
        "conditional_put",
        "conditional_delete",
        "conditional_copy",
        "copy_parts",
        "versions",
        "object_lock",
        "sse",
        "ordered_listing",
    ]
    record = {"date": "2999-01-01", **dict.fromkeys(names, True)}
    kept = {"format": 1, "servers": {server.endpoint: record}}
    server.says(Said(body=json.dumps(kept).encode()))
    store = open_s3(features=None)
    assert store.capabilities.object_lock
    assert [(method, path) for method, path, *_ in server.requests] == [("GET", "/bucket/.kumofs/capabilities.json")]


def test_a_bucket_that_is_not_there_is_said_at_once(open_s3: Callable[..., S3Store], server: ScriptedServer) -> None:
    server.says(Said(404, "NoSuchBucket"))
    with pytest.raises(StoreUnavailable, match="kumofs init"):
        open_s3(features=None)


def test_without_conditions_the_store_looks_first(open_s3: Callable[..., S3Store], server: ScriptedServer) -> None:
    store = open_s3(features=replace(ALL, conditional_put=False, conditional_delete=False))
    server.says(FOUND)
    with pytest.raises(PreconditionFailed):
        store.put("a", b"x", if_none_match=True)
    with pytest.raises(PreconditionFailed):
        store.put("a", b"x", if_match="other")
    with pytest.raises(PreconditionFailed):
        store.delete("a", if_match="other")
    assert {method for method, *_ in server.requests} == {"HEAD"}
    server.says(FOUND, Said(204))
    store.delete("a", if_match="e")
    assert [method for method, *_ in server.requests] == ["HEAD", "DELETE"]
    assert "If-Match" not in server.requests[1][2]


def test_a_delete_of_nothing_is_success(s3: S3Store, server: ScriptedServer) -> None:
    server.says(Said(404, "NoSuchKey"))
    s3.delete("a", if_match="e")
    server.says(Said(204))
    s3.delete("a")
    server.says(Said(404, "NoSuchBucket"))
    with pytest.raises(StoreUnavailable):
        s3.delete("a")
    assert not issubclass(StoreUnavailable, NoSuchObject)
