"""Programs that bring trees in and out: rsync, tar, unzip, mv, cp, dd. Whether all arrived is asked of another program."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

Program = Callable[..., str]


def assert_same(program: Program, one: Path, other: Path) -> None:
    """Names, types, bytes, modes, times, links: by diff and by rsync's own comparison with checksums."""
    assert program("diff", "-r", "--no-dereference", one, other) == ""
    assert program("rsync", "-aHnci", "--delete", f"{one}/", f"{other}/") == ""


def test_rsync_both_ways_with_checksums(tree: Path, folder: Path, tmp_path: Path, program: Program) -> None:
    program("rsync", "-aHAX", "--checksum", f"{tree}/", f"{folder}/in/")
    assert_same(program, tree, folder / "in")
    assert program("rsync", "-aHAX", "--checksum", "--itemize-changes", f"{folder}/in/", f"{tmp_path}/out/")
    assert_same(program, tree, tmp_path / "out")
    note = ("getfattr", "--only-values", "-n", "user.note")
    assert program(*note, folder / "in" / "d" / "b") == program(*note, tmp_path / "out" / "d" / "b") == "kept"


def test_rsync_in_place(tree: Path, folder: Path, program: Program) -> None:
    program("rsync", "-aHAX", f"{tree}/", f"{folder}/in/")
    before = (folder / "in" / "large").stat().st_ino
    with open(tree / "large", "r+b") as file:
        file.seek(1_500_000)
        file.write(b"changed in the middle")
        file.truncate(2_500_000)
    program("rsync", "-aHAX", "--inplace", "--no-whole-file", f"{tree}/", f"{folder}/in/")
    assert_same(program, tree, folder / "in")
    assert (folder / "in" / "large").stat().st_ino == before


def test_rsync_from_the_drive_onto_the_drive(tree: Path, folder: Path, program: Program) -> None:
    program("rsync", "-aHAX", f"{tree}/", f"{folder}/in/")
    program("rsync", "-aHAX", f"{folder}/in/", f"{folder}/twin/")
    assert_same(program, folder / "in", folder / "twin")


def test_tar_in_and_out(tree: Path, folder: Path, tmp_path: Path, program: Program) -> None:
    program("tar", "--xattrs", "-C", tree, "-cf", tmp_path / "tree.tar", ".")
    (folder / "in").mkdir()
    program("tar", "--xattrs", "-C", folder / "in", "-xpf", tmp_path / "tree.tar")
    assert program("tar", "-C", folder / "in", "--compare", "-f", tmp_path / "tree.tar") == ""
    assert program("getfattr", "--only-values", "-n", "user.note", folder / "in" / "d" / "b") == "kept"
    program("tar", "-C", folder / "in", "-czf", folder / "again.tar.gz", ".")
    (tmp_path / "out").mkdir()
    program("tar", "-C", tmp_path / "out", "-xpzf", folder / "again.tar.gz")
    assert_same(program, tree, tmp_path / "out")


def test_unzip(tree: Path, folder: Path, program: Program) -> None:
    with zipfile.ZipFile(folder / "tree.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(tree.rglob("*")):
            name = str(path.relative_to(tree))
            if path.is_symlink():
                link = zipfile.ZipInfo(name)
                link.create_system, link.external_attr = 3, 0o120777 << 16
                archive.writestr(link, os.readlink(path))
            else:
                archive.write(path, name)
    program("unzip", "-q", folder / "tree.zip", "-d", folder / "in")
    assert program("diff", "-r", "--no-dereference", tree, folder / "in") == ""
    assert program(folder / "in" / "script") == "ran\n"


def test_mv_between_disk_and_drive(tree: Path, folder: Path, tmp_path: Path, program: Program) -> None:
    program("cp", "-a", tree, tmp_path / "kept")
    program("mv", tree, folder / "moved")
    assert not tree.exists()
    assert_same(program, tmp_path / "kept", folder / "moved")
    program("mv", folder / "moved", tmp_path / "back")
    assert not (folder / "moved").exists()
    assert_same(program, tmp_path / "kept", tmp_path / "back")


def test_cp_keeps_a_tree_and_makes_holes(tree: Path, folder: Path, tmp_path: Path, program: Program) -> None:
    program("cp", "-a", "--sparse=always", tree, folder / "in")
    assert_same(program, tree, folder / "in")
    program("cp", "--sparse=always", folder / "in" / "sparse", tmp_path / "back")
    program("cmp", tree / "sparse", tmp_path / "back")
    assert (tmp_path / "back").stat().st_blocks * 512 < 1 << 20


def test_dd_changes_the_middle_only(tree: Path, folder: Path, program: Program) -> None:
    program("cp", tree / "large", folder / "large")
    for target in (tree / "large", folder / "large"):
        program("dd", f"if={tree / 'script'}", f"of={target}", "bs=7", "seek=100003", "conv=notrunc", "status=none")
        program("dd", "if=/dev/zero", f"of={target}", "bs=64K", "count=2", "oflag=append", "conv=notrunc", "status=none")
    program("cmp", tree / "large", folder / "large")


def test_find_knows_what_is_newer(folder: Path, program: Program) -> None:
    for name, when in (("old", "2001-01-01 00:00:00"), ("mark", "2001-01-01 00:00:00.000000001"), ("new", "2001-01-01 00:00:01")):
        program("touch", "-d", when, folder / name)
    assert program("find", ".", "-type", "f", "-newer", "mark", cwd=folder).split() == ["./new"]
    (folder / "old").write_text("written after the mark")
    assert sorted(program("find", ".", "-type", "f", "-newer", "mark", cwd=folder).split()) == ["./new", "./old"]
    assert program("find", ".", "-newermt", "2001-01-02", "-type", "f", cwd=folder).split() == ["./old"]
