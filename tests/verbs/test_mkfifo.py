"""mkfifo: named pipes."""

from __future__ import annotations

import errno
import os
import stat


def test_bytes_go_through(place) -> None:
    os.mkfifo("pipe", 0o640)
    assert stat.S_ISFIFO(os.stat("pipe").st_mode)
    assert stat.S_IMODE(os.stat("pipe").st_mode) == 0o640
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open("pipe", os.O_WRONLY)
    os.write(writer, b"through")
    assert os.read(reader, 10) == b"through"
    os.close(writer)
    os.close(reader)


def test_what_cannot_be_made(place, refused, as_user) -> None:
    os.mkfifo("pipe")
    with refused(errno.EEXIST):
        os.mkfifo("pipe")
    with refused(errno.ENOENT):
        os.mkfifo("nothing/pipe")
    assert as_user(lambda: os.mkfifo("another")) == errno.EACCES
