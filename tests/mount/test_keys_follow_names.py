"""Keys follow names: whatever people do to names, `list` of the store and `find` of the drive end up the same."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import until


def save_by_rename(drive: Path) -> None:
    """As most editors do."""
    (drive / "note.tmp").write_text("second")
    os.replace(drive / "note.tmp", drive / "note")


def save_with_backup(drive: Path) -> None:
    """As vim does with `backup`: the old file is renamed, the new one written under its name."""
    (drive / "note").rename(drive / "note~")
    (drive / "note").write_text("second")


def save_in_place(drive: Path) -> None:
    with (drive / "note").open("r+") as file:
        file.truncate()
        file.write("second")


def sed_in_place(drive: Path) -> None:
    subprocess.run(["sed", "-i", "s/first/second/", drive / "note"], check=True)


def swap_two_names(drive: Path) -> None:
    (drive / "note").rename(drive / "t")
    (drive / "photo").rename(drive / "note")
    (drive / "t").rename(drive / "photo")


def rename_the_folder(drive: Path) -> None:
    (drive / "folder").rename(drive / "renamed")


def swap_two_folders(drive: Path) -> None:
    (drive / "folder").rename(drive / "t")
    (drive / "other").rename(drive / "folder")
    (drive / "t").rename(drive / "other")


def move_the_folder_and_put_a_file_in_its_place(drive: Path) -> None:
    (drive / "folder").rename(drive / "other" / "folder")
    (drive / "folder").write_text("a file now")


def put_a_folder_in_a_files_place(drive: Path) -> None:
    (drive / "note").unlink()
    (drive / "note").mkdir()
    (drive / "note" / "inner").write_text("x")


def remove_and_make_again(drive: Path) -> None:
    (drive / "note").unlink()
    (drive / "note").write_text("new")


def drop_the_first_of_two_names(drive: Path) -> None:
    os.link(drive / "note", drive / "also")
    (drive / "note").unlink()


WAYS: list[Callable[[Path], None]] = [
    save_by_rename,
    save_with_backup,
    save_in_place,
    sed_in_place,
    swap_two_names,
    rename_the_folder,
    swap_two_folders,
    move_the_folder_and_put_a_file_in_its_place,
    put_a_folder_in_a_files_place,
    remove_and_make_again,
    drop_the_first_of_two_names,
]


def fill(drive: Path) -> None:
    (drive / "note").write_text("first")
    (drive / "photo").write_bytes(os.urandom(3000))
    for folder in ("folder", "other"):
        (drive / folder / "deep").mkdir(parents=True)
        for name in ("a", "b", "deep/c"):
            (drive / folder / name).write_text(f"{folder} {name}")


def files(drive: Path) -> dict[str, bytes]:
    return {str(path.relative_to(drive)): path.read_bytes() for path in drive.rglob("*") if path.is_file()}


def objects(world) -> dict[str, bytes]:
    return {key.split("/", 1)[1]: world.store.get(key) for key in world.stored_keys()}


def expect_hidden(world, expected: dict[str, bytes]) -> None:
    """In a bucket with versions MinIO lists nothing of a folder whose name was a file's, though it is there."""
    hidden = {name for name in expected if name.startswith("note/")} - objects(world).keys()
    if hidden and {name: world.store.get(f"ada/{name}") for name in hidden} == {name: expected[name] for name in hidden}:
        pytest.xfail(f"the server's listing hides what it has: {sorted(hidden)}")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.replace("_", " "))
@pytest.mark.parametrize("uploaded", [True, False], ids=["uploaded before", "not uploaded yet"])
def test_the_store_ends_up_with_the_same_paths_and_bytes(mounted, way, uploaded) -> None:
    world, drive = mounted
    fill(drive)
    if uploaded:
        world.run("sync", "--settle")
        assert objects(world) == files(drive)
    way(drive)
    expected = files(drive)
    world.run("sync", "--settle")
    assert files(drive) == expected
    expect_hidden(world, expected)
    assert objects(world) == expected
    world.umount()
    assert files(world.mount()) == expected


def test_what_was_not_settled_when_the_mount_was_killed_is_settled_by_the_next(mounted) -> None:
    world, drive = mounted
    fill(drive)
    world.run("sync", "--settle")
    rename_the_folder(drive)
    swap_two_names(drive)
    os.kill(world.pid(), 9)
    expected = {**files(world.mount())}
    assert {"renamed/a", "renamed/deep/c"} <= set(expected)
    world.run("sync", "--settle")
    assert objects(world) == expected


def test_the_metadata_goes_along(mounted) -> None:
    world, drive = mounted
    (drive / "page.html").write_text("<p>")
    world.run("sync", "--settle")
    (before,) = (world.store.head(key) for key in world.stored_keys())
    (drive / "page.html").rename(drive / "index.html")
    world.run("sync", "--settle")
    (after,) = (world.store.head(key) for key in world.stored_keys())
    assert after.key.endswith("/index.html")
    assert (after.metadata, after.content_type) == (before.metadata, before.content_type)


@pytest.mark.directory_store
def test_a_folder_that_is_renamed_while_the_store_is_away_follows_later(mounted) -> None:
    world, drive = mounted
    (drive / "d").mkdir()
    for name in "abcde":
        (drive / "d" / name).write_text(name)
    world.upload()
    hidden = world.objects.with_name("elsewhere")
    world.objects.rename(hidden)
    os.rename(drive / "d", drive / "e")
    until("the problem is told", lambda: "keys do not follow names for now" in world.log())
    assert os.listdir(drive) == ["e"]
    hidden.rename(world.objects)
    until("the keys follow", lambda: world.stored_keys() == [f"ada/e/{name}" for name in "abcde"])
    assert "Traceback" not in world.log()
