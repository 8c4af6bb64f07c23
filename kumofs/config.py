"""Settings: the XDG directories, `config.toml`, and two variables that override it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kumofs.errors import ConfigError

KEYS: dict[str, type] = {"catalog": str, "store": str, "session_days": int, "bcrypt_cost": int, "log_level": str}


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
    session_days: int = 30
    bcrypt_cost: int = 12
    log_level: str = "INFO"


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Defaults, then `config.toml`, then KUMOFS_CATALOG and KUMOFS_STORE. ConfigError."""
    data = xdg(environ, "XDG_DATA_HOME", ".local/share")
    settings = Settings(
        catalog=f"sqlite://{quote(str(data / 'catalog.db'))}",
        store=f"file://{quote(str(data / 'store'))}",
        data_dir=data,
        config_dir=xdg(environ, "XDG_CONFIG_HOME", ".config"),
        state_dir=xdg(environ, "XDG_STATE_HOME", ".local/state"),
        cache_dir=xdg(environ, "XDG_CACHE_HOME", ".cache"),
        runtime_dir=runtime(environ),
    )
    settings = replace(settings, **read_file(settings.config_dir / "config.toml"))
    overrides = {"catalog": environ.get("KUMOFS_CATALOG"), "store": environ.get("KUMOFS_STORE")}
    return replace(settings, **{key: value for key, value in overrides.items() if value})  # type: ignore[arg-type]


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
