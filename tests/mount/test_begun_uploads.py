"""kill -9 in the middle of a large upload: the file arrives by the next mount, and no parts are left in the bucket."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.conftest import S3

SIZE_BYTES = 100 << 20
TRIES = 10

pytestmark = pytest.mark.skipif(not S3, reason="NOT TESTED: uploads in parts need KUMOFS_TEST_S3=http://127.0.0.1:PORT")


def kill_in_the_middle(world, path, body) -> bool:
    """Write the file, and kill the mount while its parts are on their way; whether that was in time."""
    path.write_bytes(body)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if list(world.staging.rglob("*.upload")) and list(world.store.list_uploads()):
            os.kill(world.pid(), signal.SIGKILL)
            return bool(list(world.store.list_uploads()))
        if os.getxattr(path, "user.kumo.state") == b"synced":
            return False
    raise AssertionError("the upload did not begin")


@pytest.mark.timeout(600)
def test_no_parts_are_left_of_an_upload_that_was_killed(mounted) -> None:
    world, drive = mounted
    for number in range(TRIES):
        body = os.urandom(SIZE_BYTES)
        if kill_in_the_middle(world, drive / f"{number}", body):
            break
    else:
        raise AssertionError("the upload was over each time before the kill")
    notes = list(world.staging.rglob("*.upload"))
    left = list(world.store.list_uploads())
    print(f"killed at try {number}; {len(left)} uploads and {len(notes)} notes were left")
    world.mount()
    world.run("sync")
    assert (drive / f"{number}").read_bytes() == body
    deadline = time.monotonic() + 60
    while list(world.store.list_uploads()) or list(world.staging.rglob("*.upload")):
        assert time.monotonic() < deadline, "parts are left"
        time.sleep(0.2)
    assert "Traceback" not in world.log()
