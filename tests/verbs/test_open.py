"""open: flags, modes, and what is refused."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from pathlib import Path


def test_what_is_made_has_the_mode_and_the_caller_as_owner(place, as_user) -> None:
    os.mkdir("open", 0o777)
    assert as_user(lambda: os.open("open/a", os.O_CREAT | os.O_WRONLY, 0o604)) == 0
    made = os.stat("open/a")
    assert (stat.S_IMODE(made.st_mode), made.st_uid, made.st_gid) == (0o604, 65534, 65534)


def test_a_new_file_may_be_written_whatever_its_mode(place, as_user) -> None:
    os.mkdir("open", 0o777)
    assert as_user(lambda: os.write(os.open("open/a", os.O_CREAT | os.O_WRONLY, 0), b"text")) == 0
    assert Path("open/a").read_text() == "text"


def test_cutting_moves_the_times(place, moves) -> None:
    Path("a").write_text("text")
    with moves("a", "mtime", "ctime"):
        os.close(os.open("a", os.O_WRONLY | os.O_TRUNC))
    assert os.stat("a").st_size == 0


def test_making_moves_the_folder_s_times_and_opening_does_not(place, moves) -> None:
    os.mkdir("d")
    with moves("d", "mtime", "ctime"):
        os.close(os.open("d/a", os.O_CREAT | os.O_WRONLY))
    with moves("d"):
        os.close(os.open("d/a", os.O_CREAT | os.O_WRONLY))


def test_appending_goes_to_the_end_from_every_handle(place) -> None:
    one = os.open("a", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    two = os.open("a", os.O_WRONLY | os.O_APPEND)
    os.write(one, b"1")
    os.write(two, b"2")
    os.write(one, b"3")
    os.close(one)
    os.close(two)
    assert Path("a").read_text() == "123"


def test_writing_clears_set_user_id_and_set_group_id(place, as_user) -> None:
    Path("a").write_text("text")
    os.chmod("a", 0o6777)
    assert as_user(lambda: os.write(os.open("a", os.O_WRONLY), b"x")) == 0
    assert stat.S_IMODE(os.stat("a").st_mode) == 0o777


def test_what_cannot_be_opened(place, refused, as_user) -> None:
    os.mkdir("d", 0o755)
    Path("file").write_text("x")
    os.chmod("file", 0o600)
    os.symlink("loop", "loop")
    with refused(errno.EISDIR):
        os.open("d", os.O_WRONLY)
    with refused(errno.ENOTDIR):
        os.open("file", os.O_RDONLY | os.O_DIRECTORY)
    with refused(errno.ENOTDIR):
        os.open("file/below", os.O_RDONLY)
    with refused(errno.EEXIST):
        os.open("file", os.O_CREAT | os.O_EXCL)
    with refused(errno.ENOENT):
        os.open("nothing", os.O_RDONLY)
    with refused(errno.ELOOP):
        os.open("loop", os.O_RDONLY)
    with refused(errno.ELOOP):
        os.open("loop", os.O_RDONLY | os.O_NOFOLLOW)
    with refused(errno.ENAMETOOLONG):
        os.open("x" * 256, os.O_CREAT | os.O_WRONLY)
    with refused(errno.ENAMETOOLONG):
        os.open("/".join(["x" * 200] * 25), os.O_RDONLY)
    assert as_user(lambda: open("file")) == errno.EACCES
    assert as_user(lambda: open("d/new", "w")) == errno.EACCES


def test_a_running_program_cannot_be_written(place, refused) -> None:
    shutil.copy(shutil.which("sleep") or "/bin/sleep", "program")
    with subprocess.Popen(["./program", "600"]) as program:
        with refused(errno.ETXTBSY):
            os.open("program", os.O_WRONLY)
        program.kill()
    os.close(os.open("program", os.O_WRONLY))


def test_a_file_open_for_writing_cannot_be_run(place, refused) -> None:
    shutil.copy(shutil.which("true") or "/bin/true", "program")
    fd = os.open("program", os.O_WRONLY)
    with refused(errno.ETXTBSY):
        subprocess.run(["./program"])
    os.close(fd)
    assert subprocess.run(["./program"]).returncode == 0
