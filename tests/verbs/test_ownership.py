"""--ownership: whose files are shown to be."""

from __future__ import annotations

import os


def owner(path) -> tuple[int, int]:
    return os.lstat(path).st_uid, os.lstat(path).st_gid


def test_by_default_everything_is_the_mounter_s_and_what_is_stored_stays(mounted) -> None:
    world, drive = mounted
    (drive / "a").write_text("text")
    (drive / "a").chmod(0o640)
    os.chown(drive / "a", 123, 456)
    assert owner(drive / "a") == (os.getuid(), os.getgid())
    assert os.stat(drive / "a").st_mode & 0o7777 == 0o640
    world.umount()
    world.mount("drive", "--ownership", "stored")
    assert owner(drive / "a") == (123, 456)
    world.umount()
    world.mount("drive", "--ownership", "mounter")
    assert owner(drive / "a") == (os.getuid(), os.getgid())
