"""A large new file goes into the bucket while it is being written."""

from __future__ import annotations

import os

import pytest

from kumofs.staging.stream import PART_BYTES
from kumofs.staging.streaming import BEGIN_BYTES
from tests.conftest import S3, until

SIZE_BYTES = BEGIN_BYTES + 3 * PART_BYTES + 12_345
HALF_BYTES = BEGIN_BYTES + PART_BYTES

pytestmark = [
    pytest.mark.skipif(not S3, reason="NOT TESTED: streaming needs KUMOFS_TEST_S3=http://127.0.0.1:PORT"),
    pytest.mark.timeout(300),
]


def parts_there(world) -> int:
    """The parts that are in the bucket of the one upload that has begun."""
    uploads = world.store.list_uploads()
    return sum(len(world.store._uploads._parts(upload.key, upload.upload_id)) for upload in uploads)


def test_parts_go_out_while_the_file_is_written(mounted) -> None:
    world, drive = mounted
    body = bytearray(os.urandom(SIZE_BYTES))
    with open(drive / "new", "wb", buffering=0) as file:
        for start in range(0, HALF_BYTES, 1 << 20):
            file.write(body[start : start + (1 << 20)])
        until("what was written so far is in the bucket", lambda: parts_there(world) == HALF_BYTES // PART_BYTES)
        assert world.stored_keys() == []
        file.write(body[HALF_BYTES:])
        body[5:10] = b"again"
        os.pwrite(file.fileno(), b"again", 5)
    world.upload()
    (key,) = world.stored_keys()
    assert world.store.get(key) == body
    assert list(world.store.list_uploads()) == []
    assert not list(world.staging.rglob("*.upload"))
    world.umount()
    world.mount()
    assert (drive / "new").read_bytes() == body
    assert "Traceback" not in world.log()


def test_of_what_is_removed_while_it_is_written_nothing_stays(mounted) -> None:
    world, drive = mounted
    with open(drive / "new", "wb", buffering=0) as file:
        file.write(os.urandom(HALF_BYTES))
        until("parts go out", lambda: parts_there(world))
        (drive / "new").unlink()
    until("the upload is aborted", lambda: not list(world.store.list_uploads()) and not list(world.staging.rglob("*.upload")))
    assert world.stored_keys() == []
    assert "Traceback" not in world.log()


def test_what_is_renamed_while_it_is_written_follows(mounted) -> None:
    world, drive = mounted
    body = os.urandom(SIZE_BYTES)
    with open(drive / "new.tmp", "wb", buffering=0) as file:
        file.write(body[:HALF_BYTES])
        until("parts go out", lambda: parts_there(world))
        (drive / "new.tmp").rename(drive / "new")
        file.write(body[HALF_BYTES:])
        os.fsync(file.fileno())
        os.pwrite(file.fileno(), b"after", 0)
    world.upload()
    until("the object has the file's name", lambda: [key.rpartition("/")[2] for key in world.stored_keys()] == ["new"])
    (key,) = world.stored_keys()
    assert world.store.get(key) == b"after" + body[5:]
    assert "Traceback" not in world.log()
