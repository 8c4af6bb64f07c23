"""The trash: `.Trash-$UID` at the top of the drive, as the desktops' specification has it: dragged in, restored, emptied."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

Gio = Callable[..., str]
Eventually = Callable[..., object]


@pytest.fixture
def trash(shared_world: tuple[object, Path]) -> Path:
    """The drive's trash folder of the user who runs the tests."""
    return shared_world[1] / f".Trash-{os.getuid()}"


def in_trash(gio: Gio, original: Path) -> str:
    """The address under which the desktop shows something in its trash; empty: it shows no such thing."""
    lines = [line.split("\t") for line in gio("trash", "--list").splitlines()]
    found = [address for address, place in lines if place == str(original)]
    return found[0] if found else ""


def test_a_file_goes_into_the_trash_and_comes_back(folder: Path, trash: Path, gio: Gio, eventually: Eventually) -> None:
    path = folder / "letter & more.txt"
    path.write_text("kept")
    os.chmod(path, 0o640)
    os.setxattr(path, "user.note", b"kept too")
    before = path.stat()
    gio("trash", path)
    assert not path.exists()
    for place in (trash, trash / "files", trash / "info"):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700, "nobody else may look into it: desktops insist on that"
        assert place.stat().st_uid == os.getuid()
    assert (trash / "files" / path.name).stat().st_ino == before.st_ino, "trashing is a rename, not a copy"
    note = (trash / "info" / f"{path.name}.trashinfo").read_text()
    assert unquote(note.split("Path=")[1].splitlines()[0]) == f"{folder.name}/{path.name}"
    address = eventually(lambda: in_trash(gio, path), "the desktop does not see what is in the trash")
    gio("trash", "--restore", address)
    after = path.stat()
    assert path.read_text() == "kept"
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)
    assert os.getxattr(path, "user.note") == b"kept too"
    assert not (trash / "info" / f"{path.name}.trashinfo").exists()


def test_a_folder_goes_with_all_it_holds(folder: Path, gio: Gio, eventually: Eventually) -> None:
    (folder / "trip" / "day one").mkdir(parents=True)
    (folder / "trip" / "day one" / "photo").write_text("photo")
    gio("trash", folder / "trip")
    assert os.listdir(folder) == []
    address = eventually(lambda: in_trash(gio, folder / "trip"), "the desktop does not see the folder in the trash")
    gio("trash", "--restore", address)
    assert (folder / "trip" / "day one" / "photo").read_text() == "photo"


def test_two_files_of_one_name_in_the_trash(folder: Path, trash: Path, gio: Gio, eventually: Eventually) -> None:
    for number in (1, 2):
        (folder / str(number)).mkdir()
        (folder / str(number) / f"{folder.name}.txt").write_text(f"number {number}")
        gio("trash", folder / str(number) / f"{folder.name}.txt")
    assert len([name for name in os.listdir(trash / "files") if name.startswith(folder.name)]) == 2
    for number in (2, 1):
        path = folder / str(number) / f"{folder.name}.txt"
        gio("trash", "--restore", eventually(lambda path=path: in_trash(gio, path), "the desktop does not see both"))
        assert path.read_text() == f"number {number}"


def test_restoring_does_not_replace_what_came_after(folder: Path, gio: Gio, eventually: Eventually) -> None:
    (folder / "a").write_text("old")
    gio("trash", folder / "a")
    (folder / "a").write_text("new")
    address = eventually(lambda: in_trash(gio, folder / "a"), "the desktop does not see what is in the trash")
    gio("trash", "--restore", address, status=1)
    assert (folder / "a").read_text() == "new"
    gio("trash", "--restore", "--force", address)
    assert (folder / "a").read_text() == "old"


def test_the_trash_is_emptied(folder: Path, trash: Path, gio: Gio, eventually: Eventually) -> None:
    (folder / "full" / "inner").mkdir(parents=True)
    (folder / "full" / "inner" / "file").write_text("x")
    os.chmod(folder / "full" / "inner", 0o500)  # cannot be emptied as it is: gvfs takes it apart
    gio("trash", folder / "full")
    eventually(lambda: in_trash(gio, folder / "full"), "the desktop does not see what is in the trash")

    def emptied() -> bool:
        gio("trash", "--empty")
        return not any(os.listdir(trash / part) for part in ("files", "info"))

    eventually(emptied, "the trash is not emptied")
    expunged = trash / "expunged"
    eventually(lambda: not expunged.exists() or not os.listdir(expunged), "what was thrown away is still there")
    eventually(lambda: not in_trash(gio, folder / "full"), "the desktop still shows what is gone")


def test_dolphin_s_way(folder: Path, trash: Path, tmp_path: Path) -> None:
    """KDE's own calls: a copy under a `.part` name that is renamed, and a trash that it checks before it trusts it."""
    part, path = folder / "film.mkv.part", folder / "film.mkv"
    out = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    (tmp_path / "film").write_bytes(bytes(range(256)) * 4096)
    source = os.open(tmp_path / "film", os.O_RDONLY)
    while os.sendfile(out, source, None, 1 << 20):
        pass
    os.fchmod(out, 0o644)
    os.utime(out, ns=(10**18, 10**18))
    os.close(out)
    os.close(source)
    assert not path.exists()
    os.rename(part, path)
    assert path.stat().st_mtime_ns == 10**18

    trash.mkdir(mode=0o700, exist_ok=True)
    found = trash.lstat()
    assert stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700
    for name in ("info", "files"):
        (trash / name).mkdir(mode=0o700, exist_ok=True)
    trashed = f"{folder.name}-film.mkv"
    info = os.open(trash / "info" / f"{trashed}.trashinfo", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(info, f"[Trash Info]\nPath={folder.name}/film.mkv\nDeletionDate={time.strftime('%Y-%m-%dT%H:%M:%S')}\n".encode())
    os.close(info)
    os.rename(path, trash / "files" / trashed)
    os.rename(trash / "files" / trashed, path)
    os.unlink(trash / "info" / f"{trashed}.trashinfo")
    assert path.read_bytes() == (tmp_path / "film").read_bytes()
