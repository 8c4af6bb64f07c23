"""`mount -t kumofs` and lines of fstab, by the real mount(8), in a mount namespace with users and an /sbin of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kumofs.cli.mount_kumofs import Wrong, parse

ROOT = Path(__file__).parent.parent.parent
PASSWORD = "four little green words"
UID = 61234
SET_UP = """
set -e
base=$1 python=$2 prefix=$3
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
mount -t overlay -o "lowerdir=$base/sbin:/usr/sbin" overlay /usr/sbin
mount --bind "$base/passwd" /etc/passwd
mount --bind "$base/group" /etc/group
mount --bind "$base/fuse.conf" /etc/fuse.conf
usable() { setpriv --reuid 61234 --regid 61234 --clear-groups sh -c '"$0" -c "import uuid, pyfuse3"' "$python"; }
# the interpreter, where a closed directory is above it, in an open one in its place
if ! usable; then
    mkdir "$base/prefix"
    mount --bind "$prefix" "$base/prefix"
    closed="/$(echo "$prefix" | cut -d/ -f2)"
    mount -t tmpfs -o mode=755 tmpfs "$closed"
    mkdir -p "$prefix"
    mount --bind "$base/prefix" "$prefix"
fi
usable
exec sleep 100000
"""


class Machine:
    """A mount namespace: ada and root have homes in `base`, and /sbin has the helper."""

    def __init__(self, base: Path) -> None:
        self.base = base
        (base / "sbin").mkdir()
        script = f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m kumofs.cli.mount_kumofs "$@"\n'
        (base / "sbin" / "mount.kumofs").write_text(script)
        (base / "sbin" / "mount.kumofs").chmod(0o755)
        people = [line for line in Path("/etc/passwd").read_text().splitlines() if not line.startswith("root:")]
        mine = [f"root:x:0:0:root:{base}/root:/bin/sh", f"ada:x:{UID}:{UID}::{base}/ada:/bin/sh"]
        (base / "passwd").write_text("\n".join([*mine, *people, ""]))
        (base / "group").write_text(Path("/etc/group").read_text() + f"ada:x:{UID}:\n")
        (base / "fuse.conf").write_text("")
        for name, uid in (("root", 0), ("ada", UID)):
            config = base / name / ".config" / "kumofs"
            config.mkdir(mode=0o700, parents=True)
            (config / "config.toml").write_text("bcrypt_cost = 4\n")
            for path in (base / name, config.parent, config, config / "config.toml"):
                os.chown(path, uid, uid)
        command = ["unshare", "--mount", "sh", "-c", SET_UP, "sh", str(base), sys.executable, sys.base_prefix]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self.wait()

    def wait(self) -> None:
        while self.process.poll() is None:
            name = Path(f"/proc/{self.process.pid}/comm").read_text().strip()
            if name == "sleep":
                return
        pytest.skip("NOT TESTED: no mount namespace can be made here, or others cannot run this interpreter")

    def run(self, *command: object, user: str = "root", stdin: str = "", status: int = 0) -> str:
        """Run a command in there; what it said."""
        uid = UID if user == "ada" else 0
        person = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"]
        environ = {"HOME": str(self.base / user), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
        inside = ["nsenter", "--target", str(self.process.pid), "--mount", "--wd=/", *person, *map(str, command)]
        done = subprocess.run(inside, env=environ, input=stdin, capture_output=True, text=True, timeout=120)
        assert done.returncode == status, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def kumofs(self, *arguments: object, user: str = "root", stdin: str = "", status: int = 0) -> str:
        return self.run(sys.executable, "-m", "kumofs", *arguments, user=user, stdin=stdin, status=status)

    def signup(self, user: str) -> None:
        self.kumofs("signup", f"{user}@example.org", "--password-stdin", user=user, stdin=PASSWORD + "\n")

    def directory(self, name: str, user: str = "root") -> Path:
        path = self.base / name
        path.mkdir()
        os.chown(path, UID if user == "ada" else 0, -1)
        return path

    def table(self, path: Path) -> tuple[str, str, set[str]]:
        """Source, type and options of what is mounted there."""
        line = self.run("findmnt", "--noheadings", "--raw", "--output", "SOURCE,FSTYPE,OPTIONS", path).split()
        return line[0], line[1], set(line[2].split(","))

    def close(self) -> None:
        for line in Path(f"/proc/{self.process.pid}/mounts").read_text().splitlines():
            if "fuse.kumofs" in line:
                subprocess.run(["nsenter", "--target", str(self.process.pid), "--mount", "umount", "-l", line.split()[1]])
        self.process.kill()
        self.process.wait()


@pytest.fixture
def machine() -> Iterator[Machine]:
    if os.getuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("NOT TESTED: needs root and /dev/fuse, to mount as other users")
    base = Path(tempfile.mkdtemp(prefix="kumofs-mount-"))  # pytest's own directories are closed to other users
    base.chmod(0o755)
    made = Machine(base)
    yield made
    made.close()
    shutil.rmtree(base, ignore_errors=True)


def test_root_mounts_by_hand(machine: Machine) -> None:
    machine.signup("root")
    drive = machine.directory("drive")
    assert machine.run("mount", "-t", "kumofs", "none", drive, "-o", "ro,noexec,nofail") == ""
    source, kind, options = machine.table(drive)
    assert (source, kind) == ("none", "fuse.kumofs")
    assert {"ro", "noexec", "nosuid", "nodev"} <= options
    assert str(drive) in machine.kumofs("status"), "the user's own command finds what the system mounted"
    machine.kumofs("umount", drive)


def test_a_line_of_fstab_mounts_as_another_user(machine: Machine) -> None:
    machine.signup("ada")
    drive = machine.directory("drive of ada", "ada")
    (machine.base / "fuse.conf").write_text("user_allow_other\n")
    where = str(drive).replace(" ", "\\040")
    line = f"ada@example.org {where} kumofs uid=ada,allow_other,noauto,nofail,_netdev,x-systemd.requires=a 0 0\n"
    (machine.base / "fstab").write_text(line)
    machine.run("mount", "--fstab", machine.base / "fstab", drive)
    source, _, options = machine.table(drive)
    assert source == "ada@example.org"
    assert {f"user_id={UID}", "allow_other", "rw"} <= options
    machine.run("sh", "-c", 'echo hello > "$1/file"', "sh", drive, user="ada")
    assert machine.run("cat", drive / "file") == "hello\n"
    machine.kumofs("sync", user="ada")
    assert (machine.base / "ada/.local/share/kumofs/store/objects/ada/file").stat().st_uid == UID
    assert list((machine.base / "root").rglob("*.db")) == [], "nothing of root's is used"
    assert str(drive) in machine.kumofs("status", user="ada")
    (machine.base / "fstab").write_text(line.replace("noauto,", ""))
    machine.run("mount", "--fstab", machine.base / "fstab", "--all")  # mounted already: nothing to do
    machine.kumofs("umount", drive, user="ada")


def test_what_keeps_it_from_mounting_is_said(machine: Machine) -> None:
    drive = machine.directory("drive")
    assert "nobody is signed in" in machine.run("mount", "-t", "kumofs", "none", drive, status=32)
    assert "colour=red" in machine.run("mount", "-t", "kumofs", "none", drive, "-o", "colour=red,nofail", status=1)
    assert "no user mallory" in machine.run("mount", "-t", "kumofs", "none", drive, "-o", "uid=mallory", status=1)
    machine.signup("ada")
    assert "not yours" in machine.run("mount", "-t", "kumofs", "none", drive, "-o", "uid=ada", status=32)
    mine = machine.directory("mine", "ada")
    said = machine.run("mount", "-t", "kumofs", "bob@example.org", mine, "-o", "uid=ada", status=32)
    assert "ada@example.org is signed in" in said
    assert "user_allow_other" in machine.run("mount", "-t", "kumofs", "none", mine, "-o", "uid=ada,allow_other", status=32)


def test_settings_by_option(machine: Machine) -> None:
    machine.signup("ada")
    elsewhere = machine.base / "ada/elsewhere"
    machine.run("mv", machine.base / "ada/.config/kumofs", elsewhere, user="ada")
    drive = machine.directory("drive", "ada")
    options = f'uid={UID},config={elsewhere},store="file://{machine.base}/ada/a,b",write_through,ownership=stored'
    machine.run("mount", "-t", "kumofs", "kumofs", drive, "-o", options)
    machine.run("sh", "-c", 'echo hello > "$1/file"', "sh", drive, user="ada")
    assert (machine.base / "ada/a,b/objects/ada/file").read_text() == "hello\n"
    machine.kumofs("umount", drive, user="ada")


def options(text: str, *more: str) -> object:
    return parse(["none", "/mnt", *more, "-o", text])[0]


def test_the_last_of_two_opposites_counts() -> None:
    assert options("ro,rw,exec,noexec").flags == {"noexec"}


@pytest.mark.parametrize("url", ["mongodb://ada:secret@db/kumofs", '"mongodb://ada:secret@a,b/kumofs"'])
def test_a_password_in_an_option_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(Wrong, match=r"config\.toml") as problem:
        options(f"ro,catalog={url}")
    assert "secret" not in str(problem.value)


def test_commas_in_quotes_belong_to_the_value() -> None:
    found = options('region=eu,catalog="mongodb://a,b/kumofs",allow_other')
    assert found.settings == {"KUMOFS_REGION": "eu", "KUMOFS_CATALOG": "mongodb://a,b/kumofs"}
    assert found.flags == {"allow_other"}


def test_unknown_options_are_named_and_sloppiness_lets_them_pass() -> None:
    with pytest.raises(Wrong, match="colour=red, shape"):
        options("colour=red,ro,shape")
    assert options("colour=red,ro,shape", "-s").flags == {"ro"}


@pytest.mark.parametrize("text", ["remount,ro", "uid=1,user=ada", "allow_other=yes", "catalog"])
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(Wrong):
        options(text)
