"""Each fault made for real, and what the doctor says of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from kumofs.cli.doctor import Verdict, found
from kumofs.cli.doctor_checks import OF_THE_MACHINE, OF_THE_SETTINGS, Doubt, Machine, check_allow_other, check_device, clock
from kumofs.config import KEYS
from kumofs.errors import ClockSkew

OPERATIONS = Path(__file__).parent.parent.parent / "docs" / "operations.md"


def run(world, status: int = 0) -> dict[str, dict]:
    """The findings by check, of the whole command, which ends with a status."""
    return {each["check"]: each for each in json.loads(world.run("doctor", "--json", status=status))}


def configure(world, *lines: str) -> None:
    path = world.base / "config" / "kumofs" / "config.toml"
    path.write_text("\n".join(["bcrypt_cost = 4", *lines, ""]))
    path.chmod(0o600)


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """An S3 server with a bucket `kumo`, and credentials for it in the environment."""
    credentials = tmp_path / "credentials"
    credentials.write_text("[default]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
    for name, value in {
        "SHARED_CREDENTIALS_FILE": str(credentials),
        "CONFIG_FILE": "/dev/null",
        "EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket="kumo")
    yield url
    server.stop()


def on_s3(world, endpoint: str, bucket: str = "kumo") -> None:
    world.signup()
    configure(world, f'store = "s3://{bucket}/drive"', f'endpoint = "{endpoint}"', 'region = "us-east-1"')


def test_every_check_and_setting_is_documented() -> None:
    rows = re.findall(r"^\| `?(\w[\w ]*?)`? \|", OPERATIONS.read_text(), re.MULTILINE)
    assert {*OF_THE_MACHINE, "settings", *OF_THE_SETTINGS, *KEYS} <= set(rows)


def test_all_is_well(world) -> None:
    world.signup()
    world.run("init")
    findings = run(world)
    assert {each["verdict"] for each in findings.values()} <= {"ok", "warn"}
    assert "ada@example.org" in findings["session"]["text"]
    lines = world.run("doctor").splitlines()
    assert [line.split()[0] for line in lines] == [each["verdict"] for each in findings.values()], "one line a check"


@pytest.mark.sqlite_catalog
def test_looking_makes_nothing(world) -> None:
    before = sorted(world.base.rglob("*"))
    findings = run(world, status=3)
    assert "kumofs init" in findings["catalog"]["text"]
    assert sorted(world.base.rglob("*")) == before


def test_no_fuse_device(tmp_path: Path) -> None:
    finding = found("fuse", lambda: check_device(Machine(device=tmp_path / "fuse")))
    assert (finding.verdict, finding.status) == (Verdict.FAIL, 13)
    assert "modprobe fuse" in finding.text


def test_no_fusermount3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "device").touch()
    finding = found("fuse", lambda: check_device(Machine(device=tmp_path / "device")))
    assert finding.status == 13
    assert "install the package fuse3" in finding.text


def test_allow_other_needs_fuse_conf_for_users(tmp_path: Path) -> None:
    conf = tmp_path / "fuse.conf"
    conf.write_text("#user_allow_other\n")
    with pytest.raises(Doubt, match="user_allow_other"):
        check_allow_other(Machine(fuse_conf=conf, user=1000))
    assert "root may" in check_allow_other(Machine(fuse_conf=conf, user=0))
    conf.write_text("user_allow_other\n")
    assert "every user" in check_allow_other(Machine(fuse_conf=conf, user=1000))


def test_a_wrong_setting(world) -> None:
    configure(world, "colour = 1")
    findings = run(world, status=19)
    assert "colour" in findings["settings"]["text"]
    assert findings["versions"]["verdict"] == "ok", "what needs no settings is looked at all the same"


def test_a_session_file_that_others_can_read(world) -> None:
    world.signup()
    (world.base / "config/kumofs/session").chmod(0o644)
    assert "chmod 600" in run(world, status=19)["session"]["text"]


def test_a_directory_that_others_can_read(world) -> None:
    world.signup()
    (world.base / "state/kumofs").mkdir(exist_ok=True)
    (world.base / "state/kumofs").chmod(0o755)
    assert "chmod 700" in run(world, status=19)["directories"]["text"]


def test_nobody_is_signed_in(world) -> None:
    world.run("init")
    assert "kumofs signin" in run(world, status=3)["session"]["text"]


def test_a_full_disk(world) -> None:
    if os.getuid() != 0:
        pytest.skip("NOT TESTED: needs root, to mount a small disk")
    world.signup()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", world.base / "state"], check=True)
    finding = run(world, status=20)["disk"]
    assert "full" in finding["text"]
    assert "XDG_STATE_HOME" in finding["text"]


def test_a_catalog_that_refuses_is_named_without_its_password(world) -> None:
    configure(world, 'catalog = "mongodb://ada:hush-hush@127.0.0.1:1/kumofs"')
    said = world.run("doctor", status=14)
    assert "FAIL  catalog" in said
    assert "hush-hush" not in said


@pytest.mark.sqlite_catalog
def test_a_bucket_is_looked_at(world, moto: str) -> None:
    on_s3(world, moto)
    findings = run(world)
    assert "listed and written" in findings["store"]["text"]
    assert findings["store clock"]["verdict"] == "ok"
    left = boto3.client("s3", endpoint_url=moto, region_name="us-east-1").list_object_versions(Bucket="kumo")
    assert "Versions" not in left


def test_no_bucket(world, moto: str) -> None:
    on_s3(world, moto, bucket="elsewhere")
    assert "kumofs init" in run(world, status=15)["store"]["text"]


def test_a_store_that_refuses_the_connection(world, moto: str) -> None:
    on_s3(world, "http://127.0.0.1:1")
    findings = run(world, status=15)
    assert "does not answer" in findings["store"]["text"]
    assert "does not answer" in findings["store clock"]["text"]


def test_no_credentials(world, moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    on_s3(world, moto)
    assert "~/.aws/credentials" in run(world, status=15)["store"]["text"]


@pytest.fixture
def strict(moto: str) -> Iterator[str]:
    """The same server, which now knows no access key."""

    def ask(count: bytes) -> None:
        urllib.request.urlopen(
            urllib.request.Request(f"{moto}/moto-api/reset-auth", count, {"Content-Type": "text/plain"})
        ).close()

    ask(b"0")
    yield moto
    ask(b"inf")


def test_wrong_credentials(world, strict: str) -> None:
    on_s3(world, strict)
    text = run(world, status=15)["store"]["text"]
    assert "credentials" in text
    assert "testing" not in text


class Late(BaseHTTPRequestHandler):
    """Answers with a date of an hour ago."""

    def do_HEAD(self) -> None:
        self.send_response_only(400)
        self.send_header("Date", formatdate(time.time() - 3600, usegmt=True))
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_HEAD

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def late() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Late)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_clock_that_is_wrong(world, moto: str, late: str) -> None:
    on_s3(world, late)
    finding = run(world, status=15)["store clock"]
    assert finding["verdict"] == "FAIL"
    assert "behind" in finding["text"]
    assert "timedatectl" in finding["text"]


@pytest.mark.parametrize(("skew_s", "raised"), [(0.9, None), (-20, Doubt), (20, Doubt), (-400, ClockSkew), (400, ClockSkew)])
def test_clocks(skew_s: float, raised: type[Exception] | None) -> None:
    if raised is None:
        assert "agrees" in clock("the store", skew_s)
    else:
        with pytest.raises(raised, match="behind" if skew_s < 0 else "ahead"):
            clock("the store", skew_s)


def test_a_check_that_hangs_is_given_up() -> None:
    finding = found("store", threading.Event().wait, within_s=0.1)
    assert (finding.verdict, finding.status) == (Verdict.FAIL, 1)
    assert "hangs" in finding.text


def never() -> str:
    raise RuntimeError("a mistake of ours")


@pytest.mark.parametrize("look", [never])
def test_a_mistake_in_a_check_is_no_silence(look: Callable[[], str]) -> None:
    assert found("x", look).status == 1
