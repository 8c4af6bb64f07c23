"""`kumofs init` on S3: a bucket made from nothing, and what its server can do."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_a_bucket_is_set_up_and_a_drive_begins(world, moto: str) -> None:
    bucket = f"kumo-{secrets.token_hex(6)}"
    flags = ("--store", f"s3://{bucket}/drive", "--endpoint", moto, "--region", "us-east-1")
    said = world.run(*flags, "init", "--yes")
    for words in (f"bucket {bucket}", "public access blocked", "versions kept", "abandoned uploads removed", "conditional PUT"):
        assert words in said
    client = boto3.client("s3", endpoint_url=moto, region_name="us-east-1")
    assert client.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert "there already" in world.run(*flags, "init", "--yes")
    assert Path(world.base / "data/kumofs/store").exists() is False
