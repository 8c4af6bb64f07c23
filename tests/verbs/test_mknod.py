"""mknod: files, devices, sockets."""

from __future__ import annotations

import errno
import os
import socket
import stat


def test_each_kind_is_kept_with_its_device_number(place) -> None:
    os.mknod("char", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.mknod("block", stat.S_IFBLK | 0o600, os.makedev(259, 70_000))
    os.mknod("file", stat.S_IFREG | 0o644)
    assert (os.stat("char").st_rdev, os.stat("block").st_rdev) == (os.makedev(1, 3), os.makedev(259, 70_000))
    assert stat.S_ISCHR(os.stat("char").st_mode)
    assert stat.S_ISBLK(os.stat("block").st_mode)
    assert (os.stat("file").st_size, stat.S_ISREG(os.stat("file").st_mode)) == (0, True)


def test_a_socket_can_be_bound_and_reached(place) -> None:
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind("socket")
        assert stat.S_ISSOCK(os.stat("socket").st_mode)
        server.listen()
        client.connect("socket")


def test_a_device_of_the_mount_opens_nothing(place, refused) -> None:
    os.mknod("null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    with refused(errno.EACCES):
        open("null", "rb")


def test_a_user_makes_no_devices(place, as_user) -> None:
    os.mkdir("open", 0o777)
    assert as_user(lambda: os.mknod("open/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))) == errno.EPERM
