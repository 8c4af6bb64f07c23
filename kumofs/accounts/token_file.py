"""The token of this machine's session: `<config>/session`, 0600 in a 0700 directory."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from kumofs.config import make_private_dir
from kumofs.errors import ConfigError, NotSignedIn

FILE = "session"
TOKEN_MAX = 200


def write_token(config_dir: Path, token: str) -> None:
    """Put the token in place, whole or not at all."""
    path = make_private_dir(config_dir) / FILE
    draft = path.with_name(f"{FILE}.{secrets.token_hex(4)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "w") as file:
        file.write(token)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read_token(config_dir: Path) -> str:
    """The token. NotSignedIn where there is none; ConfigError where others could have read it."""
    path = config_dir / FILE
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotSignedIn("nobody is signed in here: use `kumofs signin EMAIL`, or `kumofs signup EMAIL` first") from None
    except OSError as problem:
        raise ConfigError(f"{path} cannot be read: {problem.strerror}") from problem
    with open(fd) as file:
        status = os.fstat(fd)
        if status.st_mode & 0o077 or status.st_uid != os.getuid() or config_dir.stat().st_mode & 0o077:
            raise ConfigError(
                f"others may have read {path}: sign out and in again, or `chmod 600 {path}; chmod 700 {config_dir}`"
            )
        return file.read(TOKEN_MAX).strip()


def remove_token(config_dir: Path) -> None:
    """Forget the session on this machine."""
    (config_dir / FILE).unlink(missing_ok=True)
