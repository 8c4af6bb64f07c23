"""What people are told when an S3 server refuses, and that a lost bucket or server is never a lost file."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from kumofs import errors
from kumofs.config import S3Settings
from kumofs.store import open_store
from kumofs.store.s3 import S3Store
from kumofs.store.s3_client import Bucket, make_client, parse_s3_url
from kumofs.store.s3_errors import s3_errors

from .conftest import ALL, Said, ScriptedServer

TABLE = [
    (404, "NoSuchBucket", errors.NoSuchBucket, "kumofs init"),
    (301, "PermanentRedirect", errors.WrongRegion, "eu-west-7"),
    (400, "AuthorizationHeaderMalformed", errors.WrongRegion, "eu-west-7"),
    (403, "InvalidAccessKeyId", errors.BadStoreCredentials, "access key"),
    (403, "SignatureDoesNotMatch", errors.BadStoreCredentials, "secret"),
    (400, "ExpiredToken", errors.StoreTokenExpired, "expired"),
    (403, "AccessDenied", errors.StoreAccessDenied, "ListBucket"),
    (403, "RequestTimeTooSkewed", errors.ClockSkew, "clock"),
    (400, "InvalidArgument", errors.StoreRefused, "InvalidArgument"),
    (404, "NoSuchKey", errors.NoSuchObject, "no such object"),
    (507, "", errors.StoreFull, "room"),
    (403, "QuotaExceeded", errors.StoreFull, "quota"),
    (412, "PreconditionFailed", errors.PreconditionFailed, "condition"),
    (409, "ConditionalRequestConflict", errors.PreconditionFailed, "condition"),
]
RETRIED = [
    (503, "SlowDown", errors.StoreThrottled, "less often"),
    (429, "", errors.StoreThrottled, "less often"),
    (500, "InternalError", errors.StoreUnavailable, "500"),
    (503, "", errors.StoreUnavailable, "503"),
    (404, "", errors.StoreUnavailable, "404"),
    (400, "BadDigest", errors.StoreUnavailable, "damages"),
]


def exactly(kind: type[BaseException], action: Callable[[], object]) -> str:
    """What an exception of just this kind says; it is one line, and no secret is in it."""
    with pytest.raises(kind) as caught:
        action()
    said = str(caught.value)
    assert caught.type is kind
    assert "\n" not in said
    assert "secret-that-never-shows" not in said
    return said


@pytest.mark.parametrize(("status", "code", "kind", "advice"), TABLE, ids=[f"{row[0]}-{row[1]}" for row in TABLE])
def test_each_refusal_in_its_own_words(
    s3: S3Store, server: ScriptedServer, status: int, code: str, kind: type[BaseException], advice: str
) -> None:
    server.says(Said(status, code))
    assert advice in exactly(kind, lambda: s3.get("a", if_match="e"))
    assert len(server.requests) == 1


def test_a_key_that_the_server_refuses(s3: S3Store, server: ScriptedServer) -> None:
    server.says(Said(400, "KeyTooLongError"))
    assert "another name" in exactly(errors.KeyRefused, lambda: s3.put("a", b"x"))
    assert "no object" in exactly(errors.NoSuchObject, lambda: s3.get("a"))


@pytest.mark.parametrize(("status", "code", "kind", "advice"), RETRIED, ids=[f"{row[0]}-{row[1]}" for row in RETRIED])
def test_what_may_pass_is_tried_again_until_the_deadline(
    s3: S3Store,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    code: str,
    kind: type[BaseException],
    advice: str,
) -> None:
    monkeypatch.setattr("kumofs.store.s3_retry.FIRST_THROTTLED_PAUSE_S", 0.1)
    monkeypatch.setattr("kumofs.store.s3_objects.upload_time_s", lambda size: 1.0)
    server.says(Said(status, code))
    assert advice in exactly(kind, lambda: s3.get("a"))
    assert len(server.requests) > 1


@pytest.mark.parametrize(("status", "code", "kind", "advice"), TABLE[:8], ids=[f"{row[0]}-{row[1]}" for row in TABLE[:8]])
def test_head_has_no_body_that_says_why_so_a_get_is_asked(
    s3: S3Store, server: ScriptedServer, status: int, code: str, kind: type[BaseException], advice: str
) -> None:
    server.says(Said(status, headers={"Content-Length": "0"}), Said(status, code))
    assert advice in exactly(kind, lambda: s3.head("a"))
    assert [method for method, *_ in server.requests] == ["HEAD", "GET"]


def test_a_bucket_that_answers_is_not_asked_for_again_for_a_while(s3: S3Store, server: ScriptedServer) -> None:
    server.says(Said(404, headers={"Content-Length": "0"}), Said(404, "NoSuchKey"), Said(404, headers={"Content-Length": "0"}))
    for _ in range(3):
        with pytest.raises(errors.NoSuchObject):
            s3.head("a")
    assert [method for method, *_ in server.requests] == ["HEAD", "GET", "HEAD", "HEAD"]


def test_a_404_of_something_that_is_no_s3_server_is_no_missing_object(
    s3: S3Store, server: ScriptedServer, quick_clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kumofs.store.s3_retry.CALL_S", 1.0)
    server.says(Said(200, headers={"ETag": '"e"'}), Said(404, body=b"<html>not here</html>"))
    s3.put("a", b"x")
    with pytest.raises(errors.StoreUnavailable):
        s3.get("a")


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch, quick_clock: list[float]) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = S3Store(Bucket("bucket"), S3Settings(endpoint=f"http://127.0.0.1:{port}"), ALL)
    monkeypatch.setattr("kumofs.store.s3_retry.PAUSE_MAX_S", 40.0)
    monkeypatch.setattr("kumofs.store.s3_retry.FIRST_PAUSE_S", 40.0)
    assert "does not answer" in exactly(errors.StoreUnavailable, lambda: store.head("a"))
    assert "does not answer" in exactly(errors.StoreUnavailable, lambda: list(store.list()))
    store.close()


def test_no_credentials(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/none")
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    settings = S3Settings(endpoint=server.endpoint)
    store = S3Store(Bucket("bucket"), settings, ALL)
    assert "no S3 credentials" in exactly(errors.BadStoreCredentials, lambda: store.head("a"))
    assert "no S3 credentials" in exactly(errors.BadStoreCredentials, lambda: list(store.list()))
    store.close()
    with pytest.raises(errors.ConfigError, match="nobody"):
        make_client(S3Settings(profile="nobody"))


@pytest.mark.parametrize(("status", "code", "kind", "advice"), TABLE[:8], ids=[f"{row[0]}-{row[1]}" for row in TABLE[:8]])
def test_boto3_says_the_same(
    server: ScriptedServer, s3: S3Store, session: Any, status: int, code: str, kind: type[BaseException], advice: str
) -> None:
    server.says(Said(status, code))
    assert advice in exactly(kind, lambda: list(s3.list()))
    client = make_client(S3Settings(endpoint=server.endpoint), session=session)

    def ask() -> None:
        with s3_errors("the bucket"):
            client.get_object(Bucket="bucket", Key="a")

    assert advice in exactly(kind, ask)


NO_URLS = ["s3://", "s3:///a", "s3://b", "s3://bucket?x", "s3://bucket/a#b", "s3://u:p@bucket/a", "s3://bucket/a//b"]
NO_URLS += ["s3://bucket/../a", "s3://bucket/.kumofs", "s3://bucket/%0a", "s3://bucket/%ff", "http://bucket/a"]


@pytest.mark.parametrize("url", NO_URLS)
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(errors.ConfigError):
        parse_s3_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKID:hushed@bucket/a",
        "s3://AKID:hus/hed@bucket/a",
        "s3://AKID:hushed@[bucket",
        "file://me:hushed@host/a",
        "http://me:hushed@host/bucket",
        "file://me:hushed@/a?b",
    ],
)
def test_a_password_in_a_url_is_not_repeated(url: str) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        open_store(url)
    assert "hus" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_urls() -> None:
    assert parse_s3_url("s3://bucket") == parse_s3_url("s3://bucket/") == Bucket("bucket", "")
    assert parse_s3_url("s3://my.bucket-1/a%20b/c/") == Bucket("my.bucket-1", "a b/c")
    assert str(Bucket("bucket", "a")) == "s3://bucket/a"


@pytest.mark.parametrize(
    "endpoint", ["127.0.0.1:9000", "ftp://host", "http://", "http://host/path", "http://user:pw@host", "http://host:99999"]
)
def test_endpoints_that_are_none(endpoint: str) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        open_store("s3://bucket", S3Settings(endpoint=endpoint))
    assert "pw" not in str(caught.value)
