"""Settings: the XDG directories, then `config.toml`, then the environment, then the flags of the command."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from kumofs.errors import ConfigError

S3_KEYS = ("endpoint", "region", "profile", "storage_class")
NUMBERS = ("cache_mib",)
OVERRIDABLE = ("catalog", "store", *S3_KEYS, *NUMBERS)
"""What `KUMOFS_<NAME>` and the flag `--<name>` may set, too; nothing of it is a secret."""
KEYS: dict[str, type] = {
    **dict.fromkeys(OVERRIDABLE, str),
    **dict.fromkeys(NUMBERS, int),
    "session_days": int,
    "bcrypt_cost": int,
    "deadline_s": int,
    "log_level": str,
}

SYSTEM_RUNTIME = Path("/run/kumofs-users")
"""Below it each user has a directory that stands for XDG_RUNTIME_DIR in mounts that the system makes for them (fstab)."""


@dataclass(frozen=True, slots=True)
class S3Settings:
    """How the bucket of an `s3://` store is reached. Credentials are never here: boto3's chain finds them.

    None: as boto3 finds it (`endpoint` AWS's own, `region` and `profile` of its configuration, the bucket's storage class).
    """

    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    storage_class: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are. Directories are kumofs's own below the XDG ones; URLs as `open_engine` and `open_store` take them."""

    catalog: str
    store: str
    data_dir: Path
    config_dir: Path
    state_dir: Path
    cache_dir: Path
    runtime_dir: Path
    s3: S3Settings = S3Settings()
    session_days: int = 30
    bcrypt_cost: int = 12
    deadline_s: int = 30
    log_level: str = "INFO"
    cache_mib: int | None = None
    """How much the cache on disk may hold; 0: there is none; None: as much as the disk's size allows."""


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Defaults, then `config.toml`, then the environment. ConfigError."""
    data = xdg(environ, "XDG_DATA_HOME", ".local/share")
    settings = Settings(
        catalog=f"sqlite://{quote(str(data / 'catalog.db'))}",
        store=f"file://{quote(str(data / 'store'))}",
        data_dir=data,
        config_dir=config_directory(environ),
        state_dir=xdg(environ, "XDG_STATE_HOME", ".local/state"),
        cache_dir=xdg(environ, "XDG_CACHE_HOME", ".cache"),
        runtime_dir=runtime(environ),
    )
    given = read_file(settings.config_dir / "config.toml")
    given |= from_environment(environ)
    s3 = S3Settings(**{key: value for key, value in given.items() if key in S3_KEYS})
    return replace(settings, s3=s3, **{key: value for key, value in given.items() if key not in S3_KEYS})


def variable(key: str) -> str:
    """The environment variable of a setting."""
    return f"KUMOFS_{key.upper()}"


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the environment (or a flag, which becomes part of it) sets. ConfigError for a password in a URL."""
    given: dict[str, Any] = {}
    for key in OVERRIDABLE:
        value = environ.get(variable(key))
        if not value:
            continue
        if has_password(value):
            raise ConfigError(f"{variable(key)} has a password in it, which others could see: put it into config.toml, mode 0600")
        if key in NUMBERS and not (value.isascii() and value.isdecimal()):
            raise ConfigError(f"{variable(key)} is {value!r}: it must be a number, 0 or more")
        given[key] = int(value) if key in NUMBERS else value
    return given


def has_password(url: str) -> bool:
    """Whether a URL carries a password."""
    try:
        return urlsplit(url).password is not None
    except ValueError:
        return "@" in url


def shown(url: str) -> str:
    """A URL as it may be shown: without the user and the password that it may have in it."""
    if not has_password(url):
        return url
    scheme, _, rest = url.partition("://")
    return f"{scheme}://…@{rest.rpartition('@')[2]}"


def config_directory(environ: Mapping[str, str]) -> Path:
    """Where config.toml and the session are: `KUMOFS_CONFIG`, else kumofs's directory below the XDG one."""
    given = environ.get("KUMOFS_CONFIG")
    if not given:
        return xdg(environ, "XDG_CONFIG_HOME", ".config")
    if not given.startswith("/"):
        raise ConfigError(f"KUMOFS_CONFIG is {given!r}: give the absolute path of a directory")
    return Path(given)


def xdg(environ: Mapping[str, str], variable: str, default: str) -> Path:
    """kumofs's directory below an XDG one; a relative value is ignored, as the specification says."""
    given = environ.get(variable, "")
    if given.startswith("/"):
        return Path(given) / "kumofs"
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        raise ConfigError(f"neither {variable} nor HOME is set: set one to an absolute path")
    return Path(home) / default / "kumofs"


def runtime(environ: Mapping[str, str]) -> Path:
    """Where pid files and sockets are; without XDG_RUNTIME_DIR the user's own directory under /run or /tmp."""
    given = environ.get("XDG_RUNTIME_DIR", "")
    if given.startswith("/"):
        return Path(given) / "kumofs"
    session = Path(f"/run/user/{os.getuid()}")
    return session / "kumofs" if session.is_dir() else Path(f"/tmp/kumofs-{os.getuid()}")  # noqa: S108  (0700, owner checked)


def read_file(path: Path) -> dict[str, Any]:
    """What the configuration file sets. ConfigError for what it may not."""
    try:
        found = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as problem:
        raise ConfigError(f"{path} cannot be read: {problem}") from problem
    for key, value in found.items():
        if key not in KEYS:
            raise ConfigError(f"{path}: unknown setting {key!r}; there are {', '.join(KEYS)}")
        if type(value) is not KEYS[key]:
            raise ConfigError(f"{path}: {key} must be of type {KEYS[key].__name__}")
        if isinstance(value, int) and key in NUMBERS and value < 0:
            raise ConfigError(f"{path}: {key} must be 0 or more")
        if isinstance(value, str) and has_password(value) and path.stat().st_mode & 0o077:
            raise ConfigError(f"{path} has a password in it and others may read it: chmod 600 {path}")
    return found


def make_private_dir(path: Path) -> Path:
    """The directory, made 0700 where it is missing. ConfigError where it is somebody else's."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
    except OSError as problem:
        raise ConfigError(f"{path} cannot be made: {problem.strerror}") from problem
    if status.st_uid != os.getuid() or not path.is_dir() or path.is_symlink():
        raise ConfigError(f"{path} is not a directory of yours: remove it, or set XDG_RUNTIME_DIR")
    if status.st_mode & 0o077:
        path.chmod(0o700)
    return path
