"""A bucket set up, on moto, and on the server that KUMOFS_TEST_S3 names (credentials by boto3's chain)."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from kumofs.config import S3Settings
from kumofs.errors import StoreUnavailable
from kumofs.store.s3_client import make_client
from kumofs.store.s3_setup import CLOSED, RULE_ID, set_up_bucket
from kumofs.store.steps import Outcome

DONE, FOUND, NOT_OFFERED, FAILED = Outcome.DONE, Outcome.FOUND, Outcome.NOT_OFFERED, Outcome.FAILED


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(moto: str, monkeypatch: pytest.MonkeyPatch) -> S3Settings:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return S3Settings(endpoint=moto, region="us-east-1")


@pytest.fixture
def name() -> str:
    return f"kumo-{secrets.token_hex(6)}"


def outcomes(name: str, s3: S3Settings, prefix: str = "") -> list[Outcome]:
    return [step.outcome for step in set_up_bucket(f"s3://{name}/{prefix}", s3)]


def rules(client: Any, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    return found


def test_a_bucket_is_made_and_made_only_once(s3: S3Settings, name: str) -> None:
    client = make_client(s3)
    assert outcomes(name, s3) == [DONE] * 4
    assert client.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"] == CLOSED
    assert client.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert [rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] for rule in rules(client, name)] == [7]
    assert outcomes(name, s3) == [FOUND] * 4


def test_a_bucket_in_another_region(s3: S3Settings, name: str) -> None:
    assert outcomes(name, S3Settings(endpoint=s3.endpoint, region="eu-central-1"))[0] is DONE
    assert make_client(s3).get_bucket_location(Bucket=name)["LocationConstraint"] == "eu-central-1"


def test_rules_that_are_there_are_kept(s3: S3Settings, name: str) -> None:
    client = make_client(s3)
    client.create_bucket(Bucket=name)
    theirs = {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}}
    client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [theirs]})
    assert outcomes(name, s3, "drive")[3] is DONE
    kept, ours = rules(client, name)
    assert kept == theirs
    assert ours["ID"].startswith(RULE_ID)
    assert ours["Filter"] == {"Prefix": "drive/"}


def test_a_rule_that_does_the_same_is_enough(s3: S3Settings, name: str) -> None:
    client = make_client(s3)
    client.create_bucket(Bucket=name)
    theirs = {
        "ID": "x",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [theirs]})
    assert outcomes(name, s3, "drive")[3] is FOUND
    assert [rule["ID"] for rule in rules(client, name)] == ["x"]


def test_a_rule_for_another_prefix_is_not_enough(s3: S3Settings, name: str) -> None:
    client = make_client(s3)
    client.create_bucket(Bucket=name)
    theirs = {
        "ID": "x",
        "Status": "Enabled",
        "Filter": {"Prefix": "a/"},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [theirs]})
    assert outcomes(name, s3)[3] is DONE
    assert {rule["ID"] for rule in rules(client, name)} == {"x", RULE_ID}


def test_two_drives_in_one_bucket_share_our_rule(s3: S3Settings, name: str) -> None:
    assert outcomes(name, s3, "one")[3] is DONE
    assert outcomes(name, s3, "two")[3] is DONE
    assert outcomes(name, s3, "one")[3] is FOUND
    assert outcomes(name, s3, "two")[3] is FOUND


def test_a_server_that_is_not_there(name: str, s3: S3Settings) -> None:
    with pytest.raises(StoreUnavailable):
        set_up_bucket(f"s3://{name}", S3Settings(endpoint="http://127.0.0.1:1", region="us-east-1"))


@pytest.mark.skipif("KUMOFS_TEST_S3" not in os.environ, reason="NOT TESTED on a real server: KUMOFS_TEST_S3 names none")
def test_a_real_server_takes_it_or_says_that_it_does_not(name: str) -> None:
    s3 = S3Settings(endpoint=os.environ["KUMOFS_TEST_S3"], region="us-east-1")
    steps = set_up_bucket(f"s3://{name}/drive", s3)
    try:
        assert steps[0].outcome is DONE
        assert FAILED not in [step.outcome for step in steps], steps
        assert all(step.outcome in (FOUND, NOT_OFFERED) for step in set_up_bucket(f"s3://{name}/drive", s3))
    finally:
        make_client(s3).delete_bucket(Bucket=name)
