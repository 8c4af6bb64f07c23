"""`mount.kumofs SPEC DIR [-sfnv] [-o OPTIONS] [-t TYPE]`: what mount(8) runs for `mount -t kumofs` and for a line of fstab.

Root mounts as root, or as the user that `uid=` names: then nothing is read, no setting, no session, before this process
is that user's. Root's own environment does not count, so that a line of fstab does at boot what it does by hand; a user's
own does. Exit statuses are mount(8)'s. It needs a link: `ln -s "$(command -v mount.kumofs)" /sbin/mount.kumofs`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import pwd
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from kumofs.config import OVERRIDABLE, SYSTEM_RUNTIME, has_password, variable

USAGE = 1
SYSTEM = 2
FAILED = 32
"""mount(8)'s statuses: wrong usage or not allowed; the system is at fault; the mount failed."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KEPT = ("LANG", "LC_ALL", "TZ", "PYTHONPATH")
"""What stays of root's environment: the language, and where this very code was found, for the daemon has to find it, too."""
FLAGS = {
    "ro": "--read-only",
    "allow_other": "--allow-other",
    "noexec": "--noexec",
    "write_through": "--write-through",
    "ownership=stored": "--ownership=stored",
}
OPPOSITES = {"rw": "ro", "exec": "noexec", "ownership=mounter": "ownership=stored"}
FOR_OTHERS = frozenset(
    (
        *("defaults", "auto", "noauto", "nofail", "_netdev", "user", "users", "nouser", "owner", "noowner", "group", "nogroup"),
        *("nosuid", "nodev", "suid", "dev", "async", "silent", "loud", "atime", "noatime", "diratime", "nodiratime"),
        *("relatime", "norelatime", "strictatime", "nostrictatime", "lazytime", "nolazytime"),
    )
)
"""For mount(8), systemd or the kernel, or always so: a drive is nosuid and nodev whatever is asked (mount(8) adds `suid,dev`
where a line has `user=`), and keeps access times as it does."""
SETTINGS = {"config": "KUMOFS_CONFIG", **{key: variable(key) for key in OVERRIDABLE}}
OPTION = re.compile(r'(?:[^,"]|"[^"]*"?)+')


class Wrong(Exception):
    """The request cannot be carried out as it stands; one line that says why."""


@dataclass(slots=True)
class Request:
    """What is asked. `user` as given (name or number), `settings` by environment variable."""

    source: str
    directory: str
    user: str | None = None
    flags: set[str] = field(default_factory=set)
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def arguments(self) -> list[str]:
        """The same for `kumofs`."""
        return ["mount", "--source", self.source, *(FLAGS[name] for name in sorted(self.flags)), "--", self.directory]


class Parser(argparse.ArgumentParser):
    """A parser that ends as mount(8) wants it."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end."""
        fail(message, USAGE)


def parse(arguments: Sequence[str]) -> tuple[Request, argparse.Namespace]:
    """The request of a command line. Wrong."""
    parser = Parser(prog="mount.kumofs", description="Mount a kumofs drive; called by mount(8).", allow_abbrev=False)
    parser.add_argument("source", metavar="SPEC", help="the email that is signed in, or `kumofs`, or `none`")
    parser.add_argument("directory", metavar="DIR")
    parser.add_argument("-o", dest="options", metavar="OPTIONS", action="append", default=[])
    parser.add_argument("-t", dest="type", metavar="TYPE", default="kumofs")
    parser.add_argument("-s", dest="sloppy", action="store_true", help="ignore unknown options")
    parser.add_argument("-f", dest="fake", action="store_true", help="only check the command line")
    parser.add_argument("-n", dest="no_table", action="store_true", help="ignored: there is no mtab to write")
    parser.add_argument("-v", dest="verbose", action="store_true")
    given = parser.parse_args(arguments)
    if given.type.split(".")[0] not in ("kumofs", "fuse"):
        raise Wrong(f"this mounts kumofs, not {given.type}")
    if given.source not in ("kumofs", "none") and "@" not in given.source:
        raise Wrong(f"{given.source!r}: what is mounted is the email that is signed in, or `kumofs`, or `none`")
    request = Request(given.source, str(Path(given.directory).absolute()))
    unknown = [option for text in given.options for option in OPTION.findall(text) if not understood(request, option)]
    if unknown and not given.sloppy:
        known = ", ".join((*FLAGS, "rw", "uid=", *(f"{name}=" for name in SETTINGS)))
        raise Wrong(f"unknown option {', '.join(unknown)}: there are {known}")
    return request, given


def understood(request: Request, option: str) -> bool:
    """Take one option into the request; False where it is not known. Wrong."""
    name, is_set, value = option.partition("=")
    value = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    if name == "remount":
        raise Wrong("a drive cannot be remounted: unmount it, and mount it again")
    if option in FLAGS:
        request.flags.add(option)
    elif option in OPPOSITES:
        request.flags.discard(OPPOSITES[option])
    elif name in ("user", "uid") and is_set:
        if request.user not in (None, value):
            raise Wrong(f"{request.user} and {value} cannot both be whose drive it is: give uid= once")
        request.user = value
    elif name in SETTINGS and is_set:
        request.settings[SETTINGS[name]] = without_password(name, value)
    else:
        return name in FOR_OTHERS or name == "comment" or name[:2] in ("x-", "X-")
    return True


def without_password(name: str, value: str) -> str:
    """The value. Wrong where it has a password in it, which every user of the machine could read in fstab and in ps."""
    if has_password(value):
        raise Wrong(f"{name}= has a password in it, which others can see: put it into config.toml, mode 0600")
    return value


def account(user: str | None) -> pwd.struct_passwd:
    """The account that mounts. Wrong where there is none, or it is not ours to use."""
    try:
        number = int(user) if user is not None and user.isdecimal() else None
        if user is None:
            found = pwd.getpwuid(os.getuid())
        else:
            found = pwd.getpwuid(number) if number is not None else pwd.getpwnam(user)
    except (KeyError, OverflowError):
        raise Wrong(f"there is no user {user or os.getuid()} on this machine") from None
    if os.getuid() not in (0, found.pw_uid):
        raise Wrong(f"only root may mount as {found.pw_name}")
    return found


def environment(entry: pwd.struct_passwd, settings: dict[str, str]) -> dict[str, str]:
    """What the mount finds in its environment: for root's requests what the account says, else the user's own."""
    if os.getuid() != 0:
        return {**os.environ, **settings}
    runtime = {"XDG_RUNTIME_DIR": str(SYSTEM_RUNTIME / str(entry.pw_uid))}
    person = {"HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name, "PATH": PATH}
    return {**{name: os.environ[name] for name in KEPT if name in os.environ}, **person, **runtime, **settings}


def become(entry: pwd.struct_passwd) -> None:
    """Be that user for good, with a runtime directory that is there before the first log-in and after the last."""
    SYSTEM_RUNTIME.mkdir(mode=0o755, exist_ok=True)
    runtime = SYSTEM_RUNTIME / str(entry.pw_uid)
    runtime.mkdir(mode=0o700, exist_ok=True)
    os.chown(runtime, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    if entry.pw_uid != 0:
        os.initgroups(entry.pw_name, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Mount, and end with mount(8)'s status."""
    try:
        request, given = parse(sys.argv[1:] if arguments is None else arguments)
        entry = account(request.user)
    except Wrong as problem:
        fail(str(problem), USAGE)
    if given.fake:
        sys.exit(0)
    environ = environment(entry, request.settings)
    if os.getuid() == 0:
        try:
            become(entry)
        except OSError as problem:
            fail(f"{entry.pw_name} cannot mount: {problem}", SYSTEM)
    os.environ.clear()
    os.environ.update(environ)
    sys.exit(mount(request, quiet=not given.verbose))


def mount(request: Request, *, quiet: bool) -> int:
    """What `kumofs mount` does; the status."""
    from kumofs.cli.main import main as kumofs  # only now: nothing of kumofs runs as root for a user

    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            kumofs(request.arguments, prog_name="mount.kumofs")
    except SystemExit as end:
        if end.code:
            return USAGE if end.code == 2 else FAILED
    if not quiet:
        sys.stdout.write(said.getvalue())
    return 0


def fail(message: str, status: int) -> NoReturn:
    """One line, and the end."""
    sys.stderr.write(f"mount.kumofs: {message}\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
