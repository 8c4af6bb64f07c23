"""Credentials that are replaced while a store is open: found where the server refuses the old ones, and not looked for else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from botocore.credentials import Credentials

from kumofs.config import S3Settings
from kumofs.errors import BadStoreCredentials, ConfigError, StoreAccessDenied, StoreTokenExpired
from kumofs.store.s3 import S3Store
from kumofs.store.s3_client import Bucket
from kumofs.store.s3_credentials import RenewableCredentials

from .conftest import ALL, Said, ScriptedServer

REFUSALS = [
    (403, "InvalidAccessKeyId", BadStoreCredentials),
    (403, "SignatureDoesNotMatch", BadStoreCredentials),
    (400, "ExpiredToken", StoreTokenExpired),
    (403, "AccessDenied", StoreAccessDenied),
]
LISTED = Said(body=b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")


@pytest.fixture
def write_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes the credentials file that boto3 finds, and nothing else."""
    file = tmp_path / "credentials"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def write(access_key: str) -> None:
        profiles = (
            f"[{name}]\naws_access_key_id = {access_key}{name}\naws_secret_access_key = s\n" for name in ("default", "other")
        )
        file.write_text("\n".join(profiles))

    return write


@pytest.fixture
def own_s3(server: ScriptedServer, write_keys: Callable[[str], None], request: pytest.FixtureRequest) -> Iterator[S3Store]:
    """A store with the credentials of the file; the parameter is a profile."""
    write_keys("OLD")
    profile = getattr(request, "param", None)
    store = S3Store(Bucket("bucket"), S3Settings(endpoint=server.endpoint, region="us-east-1", profile=profile), ALL)
    yield store
    store.close()


def keys_used(server: ScriptedServer) -> list[str]:
    return [headers["Authorization"].split("Credential=")[1].split("/")[0] for _, _, headers, _ in server.requests]


@pytest.mark.parametrize(("status", "code", "kind"), REFUSALS)
def test_replaced_credentials_are_used_at_once(
    own_s3: S3Store, server: ScriptedServer, write_keys: Callable[[str], None], status: int, code: str, kind: type[Exception]
) -> None:
    server.says(Said(status, code), Said(headers={"ETag": '"e"'}))
    write_keys("NEW")
    assert own_s3.put("a", b"x").etag == "e"
    assert keys_used(server) == ["OLDdefault", "NEWdefault"]


@pytest.mark.parametrize("own_s3", ["other"], indirect=True)
def test_those_of_the_profile_are_looked_for(own_s3: S3Store, server: ScriptedServer, write_keys: Callable[[str], None]) -> None:
    server.says(Said(403, "InvalidAccessKeyId"), Said(headers={"ETag": '"e"'}))
    write_keys("NEW")
    own_s3.put("a", b"x")
    assert keys_used(server) == ["OLDother", "NEWother"]


def test_what_boto3_sends_gets_them_too(own_s3: S3Store, server: ScriptedServer, write_keys: Callable[[str], None]) -> None:
    server.says(Said(403, "InvalidAccessKeyId"), LISTED)
    write_keys("NEW")
    assert list(own_s3.list()) == []
    assert keys_used(server) == ["OLDdefault", "NEWdefault", "NEWdefault"]


@pytest.mark.parametrize(("status", "code", "kind"), REFUSALS)
def test_the_same_credentials_are_not_tried_twice(
    own_s3: S3Store, server: ScriptedServer, status: int, code: str, kind: type[Exception]
) -> None:
    server.says(Said(status, code))
    for act in (lambda: own_s3.put("a", b"x"), lambda: list(own_s3.list())):
        server.says(Said(status, code))
        with pytest.raises(kind):
            act()
        assert len(server.requests) == 1


def test_what_is_refused_again_is_told(own_s3: S3Store, server: ScriptedServer, write_keys: Callable[[str], None]) -> None:
    server.says(Said(403, "SignatureDoesNotMatch"))
    write_keys("WRONG")
    with pytest.raises(BadStoreCredentials):
        own_s3.put("a", b"x")
    assert keys_used(server) == ["OLDdefault", "WRONGdefault"]


def test_looking_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[object] = [Credentials("b", "s"), ConfigError("half a file"), None, Credentials("c", "s")]
    clock = [100.0]
    monkeypatch.setattr("kumofs.store.s3_credentials.time.monotonic", lambda: clock[0])

    def look() -> object:
        found = looks.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    old = Credentials("a", "s").get_frozen_credentials()
    credentials = RenewableCredentials(look, Credentials("a", "s"))
    assert credentials.renewed(old)
    assert credentials.renewed(old), "another thread's request, with the old ones, was refused meanwhile"
    now = credentials.get_frozen_credentials()
    assert now.access_key == "b"
    assert not credentials.renewed(now)
    assert len(looks) == 3, "looked again too soon"
    for left in (2, 1):
        clock[0] += 6
        assert not credentials.renewed(now)
        assert (len(looks), credentials.get_frozen_credentials()) == (left, now)
    clock[0] += 6
    assert credentials.renewed(now)
    assert credentials.get_frozen_credentials().access_key == "c"
