"""How a mount is to be: what `kumofs mount`, fstab and the units may say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

ARGUMENTS = {"ro": "--read-only", "allow_other": "--allow-other", "noexec": "--noexec"}
"""What `kumofs mount` calls the options that FUSE knows."""


class Ownership(StrEnum):
    """Whose everything is shown as: the user's and group's that the inode stores, or those of who mounts."""

    STORED = "stored"
    MOUNTER = "mounter"


@dataclass(frozen=True, slots=True)
class Options:
    """How to mount."""

    read_only: bool = False
    allow_other: bool = False
    noexec: bool = False
    source: str = "kumofs"
    """What the mount table shows; where it is an email, that one has to be signed in."""
    ownership: Ownership = Ownership.MOUNTER
    write_through: bool = False
    """Closing a file waits until its bytes are in the store."""

    @property
    def wanted(self) -> set[str]:
        """The options that are yes or no, those that are yes, as FUSE calls them."""
        every = {"ro": self.read_only, "allow_other": self.allow_other, "noexec": self.noexec}
        return {flag for flag, wanted in every.items() if wanted}

    @property
    def arguments(self) -> list[str]:
        """All of them for `kumofs mount`."""
        given = ["--source", self.source, "--ownership", self.ownership, *(ARGUMENTS[flag] for flag in sorted(self.wanted))]
        return [*given, "--write-through"] if self.write_through else given
