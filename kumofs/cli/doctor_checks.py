"""What `kumofs doctor` looks at: one small function a check.

A check returns what it found well in a few words, raises `Doubt` for what is no fault yet, and the exception that a command
would end with for what is: its message says what to do. Checks look; they change nothing that stays.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import unquote, urlsplit

from kumofs import __version__
from kumofs.accounts.sessions import check_session
from kumofs.accounts.token_file import FILE, read_token
from kumofs.catalog import open_engine
from kumofs.catalog.atomicity import explanation, try_atomicity
from kumofs.config import Settings, shown
from kumofs.daemon.mount_point import check_fuse
from kumofs.errors import ClockSkew, ConfigError, FuseUnavailable, NoSpace
from kumofs.store import open_store

SKEW_DOUBTFUL_S = 5.0
SKEW_MAX_S = 300.0
"""S3 refuses signatures that are 15 minutes off; other machines' changes are looked for in a window of seconds."""
SPACE_DOUBTFUL_BYTES = 1 << 30
SPACE_MIN_BYTES = 64 << 20
INCREMENTS = 10
ROUNDS = 5
TOOL_S = 10


class Doubt(Exception):
    """Something that works and had better be otherwise; its message says what to do."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where things are, for the checks that look at the machine."""

    device: Path = Path("/dev/fuse")
    fuse_conf: Path = Path("/etc/fuse.conf")
    user: int = field(default_factory=os.getuid)


def check_versions(_: Machine) -> str:
    """The versions of everything that matters."""
    try:
        found = {name: version(name) for name in ("pyfuse3", "trio", "boto3", "pymongo")}
    except PackageNotFoundError as problem:
        raise FuseUnavailable(f"the package {problem.name} is not installed: `pip install {problem.name}`") from None
    tool = shutil.which("fusermount3")
    told = subprocess.run([tool or "true", "-V"], capture_output=True, text=True, timeout=TOOL_S, check=False)  # noqa: S603
    fuse = re.search(r"version:? ([\d.]+)", told.stdout)
    words = [f"kumofs {__version__}", f"Python {platform.python_version()}", *(f"{name} {each}" for name, each in found.items())]
    return ", ".join([*words, f"libfuse {fuse[1] if fuse else 'unknown'}", f"Linux {platform.release()}"])


def check_device(machine: Machine) -> str:
    """FUSE itself."""
    check_fuse(machine.device)
    tool = Path(shutil.which("fusermount3") or "")
    if machine.user != 0 and not tool.stat().st_mode & stat.S_ISUID:
        raise FuseUnavailable(f"{tool} is not setuid root, so only root can mount: `chmod u+s {tool}`")
    return f"{machine.device} is open to you, {tool} is there"


def check_allow_other(machine: Machine) -> str:
    """Whether others can be let in."""
    try:
        text = machine.fuse_conf.read_text()
    except OSError:
        text = ""
    if re.search(r"^\s*user_allow_other\s*$", text, re.MULTILINE):
        return "every user may mount with --allow-other"
    if machine.user == 0:
        return f"root may mount with --allow-other; other users could, with user_allow_other in {machine.fuse_conf}"
    raise Doubt(f"--allow-other is for root only here: write `user_allow_other` into {machine.fuse_conf} to change that")


def check_directories(settings: Settings) -> str:
    """kumofs's own directories: there or possible, ours, and closed to others."""
    for path in (settings.config_dir, settings.data_dir, settings.state_dir, settings.cache_dir, settings.runtime_dir):
        check_directory(path)
    return "yours, and closed to others"


def check_directory(path: Path) -> None:
    """One of them. ConfigError."""
    if not path.exists():
        above = existing(path)
        if not os.access(above, os.W_OK | os.X_OK):
            raise ConfigError(f"{path} is missing and cannot be made: `chown {os.getuid()} {above}`, or set XDG_… elsewhere")
        return
    status = path.stat()
    if not path.is_dir() or status.st_uid != os.getuid():
        raise ConfigError(f"{path} is not a directory of yours: `chown -R {os.getuid()} {path}`, or remove it")
    if status.st_mode & 0o077:
        raise ConfigError(f"others can look into {path}: `chmod 700 {path}`")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigError(f"{path} is closed to you: `chmod 700 {path}`")


def existing(path: Path) -> Path:
    """The path, or the nearest above it that is there."""
    return next(each for each in (path, *path.parents) if each.exists())


def check_disk(settings: Settings) -> str:
    """Room for bytes that are not uploaded yet."""
    place = existing(settings.state_dir)
    free, files = shutil.disk_usage(place).free, os.statvfs(place)
    words = f"{free / 2**30:.1f} GiB free for files on their way, in {place}"
    if free < SPACE_MIN_BYTES or (files.f_files and files.f_favail < 1000):
        raise NoSpace(f"the disk of {place} is full, nothing more can be written: free some, or set XDG_STATE_HOME elsewhere")
    if free < SPACE_DOUBTFUL_BYTES:
        raise Doubt(f"{words}: larger files cannot be written; free some, or set XDG_STATE_HOME elsewhere")
    return words


def check_catalog(settings: Settings) -> str:
    """The catalog: reachable, writable, atomic, its clock ours."""
    if settings.catalog.startswith("sqlite:") and is_not_made_yet(settings.catalog, settings):
        raise Doubt("there is no catalog yet: `kumofs init` or `kumofs signup EMAIL` makes it")
    engine = open_engine(settings.catalog)
    try:
        skew_s = engine.now_us() / 1e6 - time.time()
        trial = try_atomicity(engine, INCREMENTS, ROUNDS)
    finally:
        engine.close()
    if not trial.is_atomic:
        raise ConfigError(explanation(trial))
    clock("the catalog", skew_s)
    return f"{shown(settings.catalog)} answers, and is atomic"


def check_store(settings: Settings) -> str:
    """The store: reachable, readable, writable, with these credentials, in this region."""
    if settings.store.startswith("s3:"):
        from kumofs.store.s3_reach import look  # boto3 takes 0.3 s to import: only where it is used

        return f"{shown(settings.store)} can be listed and written, region {look(settings.store, settings.s3)}"
    if is_not_made_yet(settings.store, settings):
        raise Doubt("there is no store yet: `kumofs init` or the first `kumofs mount` makes it")
    store = open_store(settings.store, settings.s3)
    try:
        next(iter(store.list()), None)
    finally:
        store.close()
    return f"{shown(settings.store)} can be listed"


def is_not_made_yet(url: str, settings: Settings) -> bool:
    """Whether a path of this machine is missing that the first command would make; looking at it must not make it."""
    path = Path(unquote(urlsplit(url).path))
    return not path.exists() and (path.parent.is_dir() or path.parent == settings.data_dir)


def check_store_clock(settings: Settings) -> str:
    """The clock of the store's server."""
    if not settings.store.startswith("s3:"):
        return "this machine's own"
    from kumofs.store.s3_reach import clock_skew_s

    skew_s = clock_skew_s(settings.s3)
    if skew_s is None:
        raise Doubt("the store does not tell the time: see that this machine's clock is right (`timedatectl`)")
    return clock("the store", skew_s)


def clock(whose: str, skew_s: float) -> str:
    """Judge the difference of two clocks. ClockSkew."""
    way = "ahead of" if skew_s > 0 else "behind"
    words = f"{whose}'s clock is {abs(skew_s):,.0f} s {way} this machine's"
    if abs(skew_s) > SKEW_MAX_S:
        raise ClockSkew(f"{words}, and signatures are refused for that: set the clock (`timedatectl set-ntp true`)")
    if abs(skew_s) > SKEW_DOUBTFUL_S:
        raise Doubt(f"{words}: changes of other machines may show late; set the clock (`timedatectl set-ntp true`)")
    return f"{whose}'s clock agrees with this machine's"


def check_session_file(settings: Settings) -> str:
    """Whether somebody is signed in, and nobody else could have read the token."""
    token = read_token(settings.config_dir)
    engine = open_engine(settings.catalog)
    try:
        return f"{check_session(engine, token).email} is signed in ({settings.config_dir / FILE})"
    finally:
        engine.close()


OF_THE_MACHINE: dict[str, Callable[[Machine], str]] = {
    "versions": check_versions,
    "fuse": check_device,
    "allow_other": check_allow_other,
}
OF_THE_SETTINGS: dict[str, Callable[[Settings], str]] = {
    "directories": check_directories,
    "disk": check_disk,
    "catalog": check_catalog,
    "store clock": check_store_clock,
    "store": check_store,
    "session": check_session_file,
}
"""Checks by name, in the order in which a fault explains those after it."""
