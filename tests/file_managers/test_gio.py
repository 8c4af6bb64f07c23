"""What Nautilus and Thunar do, call by call, through GIO: copy folders in, rename, make folders, set, watch, save."""

from __future__ import annotations

import hashlib
import os
import random
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

PNG_HEADER_BYTES = 33
"""The signature and the first chunk, IHDR."""

Gio = Callable[..., str]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder on the disk that a person wants to copy in."""
    source = tmp_path / "photos"
    (source / "2026" / "summer").mkdir(parents=True)
    for name in ("a.txt", "2026/b & c.txt", "2026/summer/日本.txt"):
        (source / name).write_text(name)
        os.utime(source / name, ns=(10**18, 10**18 + 123_456_000))
    os.chmod(source / "a.txt", 0o640)
    os.symlink("a.txt", source / "link")
    return source


def copy_folder(gio: Gio, source: Path, target: Path) -> None:
    """As a file manager does it: each folder made, each file copied with its attributes; GIO copies no folders by itself."""
    gio("mkdir", target)
    for path in sorted(source.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            gio("mkdir", target / path.relative_to(source))
        else:
            gio("copy", "--no-dereference", "--preserve", path, target / path.relative_to(source))


def test_a_folder_is_copied_in_and_out(folder: Path, photos: Path, tmp_path: Path, gio: Gio, program: Callable[..., str]) -> None:
    copy_folder(gio, photos, folder / "photos")
    assert program("diff", "-r", "--no-dereference", photos, folder / "photos") == ""
    there = (folder / "photos" / "a.txt").stat()
    assert (there.st_mode & 0o777, there.st_mtime_ns) == (0o640, 10**18 + 123_456_000)
    copy_folder(gio, folder / "photos", tmp_path / "back")
    assert program("diff", "-r", "--no-dereference", photos, tmp_path / "back") == ""


def test_untitled_folders_are_made_and_renamed(folder: Path, gio: Gio) -> None:
    gio("mkdir", folder / "untitled folder")
    gio("mkdir", folder / "untitled folder", status=1)  # taken: the file manager tries the next
    gio("mkdir", folder / "untitled folder 2")
    gio("rename", folder / "untitled folder", "Trip")
    gio("rename", folder / "untitled folder 2", "Trip", status=1)  # a rename never replaces here
    assert sorted(gio("list", folder).splitlines()) == ["Trip", "untitled folder 2"]
    assert sorted(os.listdir(folder)) == ["Trip", "untitled folder 2"]


def test_move_within_the_drive_is_a_rename(folder: Path, photos: Path, gio: Gio) -> None:
    copy_folder(gio, photos, folder / "photos")
    (folder / "target").mkdir()
    before = (folder / "photos").stat().st_ino
    gio("move", folder / "photos", folder / "target" / "photos")
    assert (folder / "target" / "photos").stat().st_ino == before
    assert (folder / "target" / "photos" / "2026" / "b & c.txt").read_text() == "2026/b & c.txt"


def test_move_from_the_disk_and_back(folder: Path, photos: Path, gio: Gio) -> None:
    gio("move", photos / "a.txt", folder / "a.txt")
    assert not (photos / "a.txt").exists()
    assert (folder / "a.txt").stat().st_mtime_ns == 10**18 + 123_456_000
    gio("move", folder / "a.txt", photos / "a.txt")
    assert not (folder / "a.txt").exists()
    assert (photos / "a.txt").read_text() == "a.txt"


def test_a_copy_over_another_file_keeps_a_backup(folder: Path, photos: Path, gio: Gio) -> None:
    (folder / "a.txt").write_text("before")
    gio("copy", "--backup", photos / "a.txt", folder / "a.txt")
    assert (folder / "a.txt").read_text() == "a.txt"
    assert (folder / "a.txt~").read_text() == "before"


def test_properties_are_shown_and_set(folder: Path, gio: Gio, program: Callable[..., str]) -> None:
    (folder / "letter.txt").write_text("Dear drive")
    shown = gio("info", folder / "letter.txt")
    for line in (
        "standard::content-type: text/plain",
        "standard::size: 10",
        "access::can-trash: TRUE",
        "access::can-rename: TRUE",
    ):
        assert line in shown
    assert "xattr::kumo.owner: ada@example.org" in shown
    gio("set", "-t", "uint32", folder / "letter.txt", "unix::mode", int("600", 8))
    gio("set", "-t", "uint64", folder / "letter.txt", "time::modified", 981_173_106)
    gio("set", folder / "letter.txt", "xattr::note", "kept")
    gio("set", folder / "letter.txt", "xattr::xdg.tags", "trip,2026")
    gio("set", folder / "letter.txt", "metadata::custom-icon-name", "face-smile")
    assert program("stat", "-c", "%a %Y", folder / "letter.txt") == "600 981173106\n"
    assert program("getfattr", "--only-values", "-n", "user.note", folder / "letter.txt") == "kept"
    assert program("getfattr", "--only-values", "-n", "user.kumo.tag", folder / "letter.txt") == "trip,2026"
    assert "metadata::custom-icon-name: face-smile" in gio("info", folder / "letter.txt")


def test_the_drive_shows_its_room(folder: Path, gio: Gio) -> None:
    shown = dict(line.strip().split(": ", 1) for line in gio("info", "--filesystem", folder).splitlines() if ": " in line)
    there = os.statvfs(folder)
    assert int(shown["filesystem::size"]) == there.f_blocks * there.f_frsize
    assert shown["filesystem::type"] == "fuse"


def test_a_drive_in_the_home_directory_stands_in_the_side_bar(
    shared_world: tuple[object, Path], desktop: dict[str, str], program: Callable[..., str]
) -> None:
    drive = shared_world[1]
    shown = program("gio", "mount", "--list", environ={**desktop, "HOME": str(drive.parent)})
    assert f"{drive.name} -> {drive.as_uri()}" in shown


def test_an_editor_saves_only_what_nobody_changed(folder: Path, gio: Gio) -> None:
    gio("save", "--create", folder / "text", stdin="one")
    etag = gio("info", "-a", "etag::value", folder / "text").split("etag::value: ")[1].strip()
    gio("save", f"--etag={etag}", "--backup", folder / "text", stdin="two")
    gio("save", f"--etag={etag}", folder / "text", stdin="three", status=2)
    assert (folder / "text").read_text() == "two"
    assert (folder / "text~").read_text() == "one"


def png_text(key: str, text: str) -> bytes:
    """A chunk of text in a PNG."""
    body = b"tEXt" + key.encode() + b"\0" + text.encode()
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def test_a_thumbnail_is_good_until_the_picture_changes(
    folder: Path, desktop: dict[str, str], gio: Gio, program: Callable[..., str]
) -> None:
    picture = folder / "picture.png"
    program("convert", "-size", "400x300", "xc:#E010D0", picture)
    thumbnails = Path(desktop["XDG_CACHE_HOME"]) / "thumbnails" / "normal"
    thumbnails.mkdir(mode=0o700, parents=True, exist_ok=True)
    uri, changed = picture.as_uri(), int(picture.stat().st_mtime)
    thumbnail = thumbnails / f"{hashlib.md5(uri.encode()).hexdigest()}.png"
    program("convert", picture, "-thumbnail", "128x128", "-strip", thumbnail)
    png = thumbnail.read_bytes()
    marks = png_text("Thumb::URI", uri) + png_text("Thumb::MTime", str(changed))
    thumbnail.write_bytes(png[:PNG_HEADER_BYTES] + marks + png[PNG_HEADER_BYTES:])
    shown = gio("info", "-a", "thumbnail::*", picture)
    assert f"thumbnail::path: {thumbnail}" in shown and "thumbnail::is-valid: TRUE" in shown
    gio("rename", picture, "same.png")
    gio("rename", folder / "same.png", "picture.png")
    assert "thumbnail::is-valid: TRUE" in gio("info", "-a", "thumbnail::*", picture)
    program("convert", "-size", "400x300", "xc:#10C0E0", picture)
    os.utime(picture, (changed + 5, changed + 5))
    assert "thumbnail::is-valid: FALSE" in gio("info", "-a", "thumbnail::*", picture)


def test_an_open_window_hears_of_changes(folder: Path, desktop: dict[str, str], gio: Gio) -> None:
    command = ["stdbuf", "-oL", "gio", "monitor", "--dir", str(folder)]
    with subprocess.Popen(command, env={**os.environ, **desktop}, stdout=subprocess.PIPE) as monitor:
        assert monitor.stdout is not None
        try:
            number = 0
            os.set_blocking(monitor.stdout.fileno(), False)
            while not monitor.stdout.read():  # until it listens
                (folder / f"ready {(number := number + 1)}").touch()
                assert monitor.poll() is None
            os.set_blocking(monitor.stdout.fileno(), True)
            (folder / "new").write_text("x")
            gio("rename", folder / "new", "renamed")
            os.unlink(folder / "renamed")
            heard = []
            while not heard or "renamed: deleted" not in heard[-1]:
                heard.append(monitor.stdout.readline().decode())
                assert heard[-1], heard
        finally:
            monitor.kill()
    assert [line for line in heard if "new: created" in line] and [line for line in heard if "renamed" in line]


def test_copies_run_side_by_side_while_the_folder_is_listed(
    folder: Path, tmp_path: Path, desktop: dict[str, str], gio: Gio, program: Callable[..., str]
) -> None:
    for number in range(3):
        (tmp_path / f"{number}").write_bytes(random.Random(number).randbytes(20_000_000 + number))
    copies = [
        subprocess.Popen(["gio", "copy", str(tmp_path / f"{n}"), str(folder / f"{n}")], env={**os.environ, **desktop})
        for n in range(3)
    ]
    while any(copy.poll() is None for copy in copies):
        assert set(os.listdir(folder)) <= {"0", "1", "2"}
        gio("list", "--long", folder)
    assert [copy.wait(240) for copy in copies] == [0, 0, 0]
    for number in range(3):
        program("cmp", tmp_path / f"{number}", folder / f"{number}")
