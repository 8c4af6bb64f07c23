"""The stores that the conformance suite runs over: one more parameter here is one more store under every test.

`KUMOFS_TEST_S3` names the endpoint of a real server (`http://127.0.0.1:9000`), `KUMOFS_TEST_S3_BUCKET` a bucket there that
the tests may use (default `kumofs-test`, made if missing); the credentials are those that boto3 finds.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kumofs.config import S3Settings
from kumofs.store.directory import DirectoryStore
from kumofs.store.protocol import Store
from kumofs.store.s3 import S3Store
from kumofs.store.s3_capabilities import Features
from kumofs.store.s3_client import Bucket, make_client, make_session
from tests.moto_server import serving

KINDS = ["directory-xattrs", "directory-sidecar", "s3-moto", "s3-server"]
MOTO_CANNOT = {
    "test_an_unfinished_upload_says_how_long_nothing_came": "says of every upload that it began in 2010",
    "test_an_aborted_upload_is_gone": "answers 500 for a part of an upload that is not there",
    "test_an_upload_that_never_was": "answers 500 for a part of an upload that is not there",
    "test_what_is_removed_meanwhile_stays_away": "answers a bare 404 for a copy of what is gone",
    "test_an_upload_belongs_to_its_key": "takes an upload's id under any key",
}
Place = tuple[Bucket, S3Settings, Features, Any]


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    kind = request.param
    if kind.startswith("directory"):
        yield DirectoryStore(tmp_path / "store", xattrs=kind == "directory-xattrs")
        return
    if kind == "s3-moto" and request.node.originalname in MOTO_CANNOT:
        pytest.skip(f"moto {MOTO_CANNOT[request.node.originalname]}: a real server tells")
    bucket, settings, features, session = request.getfixturevalue("moto_place" if kind == "s3-moto" else "server_place")
    opened = S3Store(Bucket(bucket.name, f"test-{secrets.token_hex(6)}"), settings, features, session)
    yield opened
    for key, upload_id, _ in opened.list_uploads():
        opened.abort_upload(key, upload_id)
    for info in list(opened.list()):
        opened.delete(info.key)
    opened.close()


@pytest.fixture(scope="session")
def moto_place() -> Iterator[Place]:
    """A bucket of a moto server in this process."""
    with serving() as endpoint:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", "testing")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
            place = prepared("kumofs-test", S3Settings(endpoint=endpoint))
        yield place  # its session has found the credentials: those of a real server are not hidden by them any more


@pytest.fixture(scope="session")
def server_place() -> Place:
    """A bucket of the server that the environment names."""
    endpoint = os.environ.get("KUMOFS_TEST_S3")
    if not endpoint:
        pytest.skip("no real S3 server: KUMOFS_TEST_S3 names none (http://127.0.0.1:9000), so the store ran against moto only")
    return prepared(os.environ.get("KUMOFS_TEST_S3_BUCKET", "kumofs-test"), S3Settings(endpoint=endpoint))


def prepared(name: str, settings: S3Settings) -> Place:
    """The bucket, made where it is missing, and what its server can do, tried once for all tests."""
    client = make_client(settings)
    if name not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=name)
    client.close()
    bucket, session = Bucket(name, f"features-{secrets.token_hex(6)}"), make_session(settings)
    opened = S3Store(bucket, settings, session=session)
    opened.close()
    return bucket, settings, opened.features, session
