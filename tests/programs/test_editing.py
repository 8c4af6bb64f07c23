"""Editors save on the drive: vim, sed -i, LibreOffice; each replaces or rewrites the file in its own way."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

Program = Callable[..., str]
VIM = ("vim", "-N", "-u", "NONE", "-i", "NONE", "-es")
BACKUPS = {"kept": "backup backupcopy=no", "copied": "writebackup backupcopy=yes", "renamed": "writebackup backupcopy=no"}


@pytest.mark.parametrize("way", BACKUPS)
def test_vim_saves(folder: Path, program: Program, way: str) -> None:
    (folder / "text").write_text("one\ntwo\n")
    os.chmod(folder / "text", 0o750)
    program(*VIM, "--cmd", f"set {BACKUPS[way]} backupskip= undofile", "+%s/two/three/", "+x", folder / "text")
    assert program("cat", folder / "text") == "one\nthree\n"
    assert program("stat", "-c", "%a", folder / "text") == "750\n"
    kept = ["text~"] if way == "kept" else []
    assert sorted(os.listdir(folder)) == sorted([".text.un~", "text", *kept])


def test_vim_recovers_from_its_swap_file(folder: Path, program: Program) -> None:
    (folder / "text").write_text("one\n")
    program(*VIM, "+s/one/unsaved/", "+preserve", "+call feedkeys('')", "+silent !kill -9 $PPID", folder / "text", status=-9)
    assert (folder / ".text.swp").exists()
    program(*VIM, "-r", "+wq!", folder / "text")
    assert (folder / "text").read_text() == "unsaved\n"


def test_sed_in_place(folder: Path, program: Program) -> None:
    (folder / "text").write_text("one\n" * 1000)
    os.chmod(folder / "text", 0o640)
    os.link(folder / "text", folder / "other name")
    program("sed", "-i.bak", "s/one/two/", folder / "text")
    assert program("sort", "-u", folder / "text") == "two\n"
    assert program("sort", "-u", folder / "text.bak", folder / "other name") == "one\n"
    assert program("stat", "-c", "%a", folder / "text") == "640\n"


def test_libreoffice_converts_in_place(folder: Path, tmp_path: Path, program: Program) -> None:
    (folder / "letter.txt").write_text("Dear drive,\n\nit is well.\n")
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    program("soffice", profile, "--headless", "--convert-to", "odt", "letter.txt", cwd=folder, environ={"HOME": str(tmp_path)})
    program("unzip", "-tq", folder / "letter.odt")
    with zipfile.ZipFile(folder / "letter.odt") as letter:
        assert "it is well." in letter.read("content.xml").decode()
    assert sorted(os.listdir(folder)) == ["letter.odt", "letter.txt"]
