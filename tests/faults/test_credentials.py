"""Credentials that stop being good while mounted, and are replaced: uploads go on without a remount."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.conftest import needs_fuse
from tests.faults.conftest import ProxiedWorld, Proxy

DEADLINE_S = 5
OTHERS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"}


@dataclass
class OwnCredentials(ProxiedWorld):
    """A world with a credentials file of its own, which has what boto3 finds for the test itself."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.good = boto3.Session().get_credentials().get_frozen_credentials()
        self.write_secret(self.good.secret_key)

    @property
    def credentials_file(self) -> Path:
        return self.base / "credentials"

    def write_secret(self, secret: str) -> None:
        token = f"aws_session_token = {self.good.token}\n" if self.good.token else ""
        draft = self.base / "credentials.new"
        draft.touch(mode=0o600)
        draft.write_text(f"[default]\naws_access_key_id = {self.good.access_key}\naws_secret_access_key = {secret}\n{token}")
        draft.replace(self.credentials_file)

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in super().environ.items() if name not in OTHERS}
        return {**kept, "AWS_SHARED_CREDENTIALS_FILE": str(self.credentials_file)}


@pytest.fixture
def world(tmp_path: Path, store_proxy: Proxy, catalog_proxy: Proxy | None) -> Iterator[OwnCredentials]:
    needs_fuse()
    made = OwnCredentials(tmp_path, store_proxy, catalog_proxy, DEADLINE_S)
    yield made
    made.close()


def state(path: Path) -> str:
    return os.getxattr(path, "user.kumo.state").decode()


def until(what: str, check: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 90
    while not check():
        assert time.monotonic() < deadline, f"{what}: not in time"
        time.sleep(0.2)


def test_replaced_credentials_are_taken_without_a_remount(world: OwnCredentials, store_proxy: Proxy) -> None:
    world.signup()
    drive = world.mount()
    (drive / "before").write_bytes(b"before")
    world.run("sync")
    world.write_secret("revoked-" + world.good.secret_key)
    with store_proxy.answers(403, "InvalidAccessKeyId"):  # so that the mount looks at the file, and finds what is no good
        (drive / "refused").write_bytes(b"kept")
        until("the refusal", lambda: state(drive / "refused").startswith("error: "))
    world.run("sync", status=21)
    assert "SignatureDoesNotMatch" in state(drive / "refused"), "not in the server's own opinion"
    assert "does not accept the credentials" in " ".join(world.run("status").split())
    (drive / "later").write_bytes(b"kept, too")
    assert (drive / "refused").read_bytes() == b"kept"
    pid = world.pid()
    world.write_secret(world.good.secret_key)
    until("sync", lambda: world.call("sync")[0] == 0)
    assert world.pid() == pid
    assert state(drive / "refused") == state(drive / "later") == "synced"
    assert sorted(world.store.get(key) for key in world.stored_keys()) == [b"before", b"kept", b"kept, too"]
    log = world.log()
    assert "Traceback" not in log
    assert world.good.secret_key not in log
    world.umount()
