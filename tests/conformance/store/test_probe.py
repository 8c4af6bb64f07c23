"""Trying what a server can do leaves nothing behind, in a bucket that keeps versions either."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from kumofs.store.s3 import S3Store
from kumofs.store.s3_client import Bucket, make_client
from kumofs.store.s3_listing import versions

RECORD = "drive/.kumofs/capabilities.json"


@pytest.fixture(params=["moto_place", "server_place"])
def versioned(request: pytest.FixtureRequest) -> Iterator[S3Store]:
    """A store in a new bucket that keeps versions."""
    _, settings, features, session = request.getfixturevalue(request.param)
    name = f"kumofs-test-{secrets.token_hex(6)}"
    client = make_client(settings, session=session)
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    store = S3Store(Bucket(name, "drive"), settings, features, session)
    yield store
    store.close()
    for key, version in list(versions(client, name, "")):
        client.delete_object(Bucket=name, Key=key, VersionId=version)
    client.delete_bucket(Bucket=name)
    client.close()


def test_a_probe_leaves_its_record_and_nothing_else(versioned: S3Store) -> None:
    found = versioned.probe()
    assert found.versions
    bucket = versioned._bucket
    assert [key for key, _ in versions(versioned._client, bucket, "")] == [RECORD]
    assert list(versioned.list_uploads()) == []
