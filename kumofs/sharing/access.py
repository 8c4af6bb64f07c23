"""May this session do this here? Every operation of a mount asks here first."""

from __future__ import annotations

from kumofs.errors import AccessDenied, ReadOnly
from kumofs.model import Inode


class Access:
    """What one mount may do: its session's home, until the session ends."""

    def __init__(self, home: str, read_only: bool = False) -> None:
        self.home = home
        self.read_only = read_only
        self.ended: str | None = None

    def end(self, reason: str) -> None:
        """The session is over (expired, signed out, password changed): nothing is allowed any more."""
        self.ended = reason

    def may_read(self) -> None:
        """Raise AccessDenied where the session is over."""
        if self.ended is not None:
            raise AccessDenied(self.ended)

    def may_write(self) -> None:
        """Raise AccessDenied or ReadOnly where nothing may be changed."""
        self.may_read()
        if self.read_only:
            raise ReadOnly("mounted with --read-only")

    def may_touch(self, inode: Inode) -> None:
        """Raise AccessDenied for an inode of another home, however its number was come by."""
        self.may_read()
        if inode.home != self.home:
            raise AccessDenied(f"inode {inode.ino} belongs to another home")
