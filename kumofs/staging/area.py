"""The staging area: the directory on this machine that holds bytes acknowledged but not yet in the store.

    <state>/staging/<home>/<slot>/lock          held (flock) by the mount that uses the slot
    <state>/staging/<home>/<slot>/<ino>.data    the bytes, sparse
    <state>/staging/<home>/<slot>/<ino>.json    their journal record, absent while a file is only being written
    <state>/staging/<home>/<slot>/<…>.upload    an upload in parts that has begun and not ended (`begun`)

A slot belongs to one mount at a time, so two mounts of one home never write one staged file. The next mount takes the
first slot that nobody holds, and with it what a dead mount left there; slots that stay behind are found by `abandoned`.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from kumofs.errors import ConfigError, MountFailed
from kumofs.staging.begun import BegunUploads

SLOTS_MAX = 1000
BYTES_MAX = 10 << 30
"""Staged bytes before writers wait; less where the disk is small."""
DISK_SHARE = 0.5


class StagingArea:
    """One slot, held until `close`."""

    def __init__(self, directory: Path, lock_fd: int) -> None:
        self.directory = directory
        self.begun = BegunUploads(directory)
        self._lock_fd = lock_fd
        self.used_bytes = 0
        """What staged files of this mount hold; they count themselves."""
        self.bytes_max = min(BYTES_MAX, int(self.free_bytes() * DISK_SHARE))

    @classmethod
    def open(cls, state_dir: Path, home: str) -> StagingArea:
        """Take the first free slot of a home. MountFailed where there is none, ConfigError where it cannot be written."""
        parent = state_dir / "staging" / home
        try:
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for number in range(SLOTS_MAX):
                area = cls._try_slot(parent / str(number))
                if area is not None:
                    return area
        except OSError as problem:
            raise ConfigError(f"the staging directory {parent} cannot be used: {problem.strerror}") from problem
        raise MountFailed(f"all {SLOTS_MAX} staging slots of this home are in use: unmount some")

    @classmethod
    def _try_slot(cls, directory: Path) -> StagingArea | None:
        directory.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return cls(directory, fd)

    def data_path(self, ino: int) -> Path:
        """Where the staged bytes of an inode are."""
        return self.directory / f"{ino}.data"

    def journal_path(self, ino: int) -> Path:
        """Where the journal record of an inode is."""
        return self.directory / f"{ino}.json"

    def journalled(self) -> list[int]:
        """The inodes that have a journal record: what a mount that ended did not get into the store."""
        return sorted(int(path.stem) for path in self.directory.glob("*.json"))

    def drop_unjournalled(self) -> None:
        """Remove bytes that were never acknowledged (no record): written, not closed, when a mount died."""
        recorded = {str(ino) for ino in self.journalled()}
        for path in [*self.directory.glob("*.data"), *self.directory.glob("*.copy"), *self.directory.glob("*.new")]:
            if path.suffix != ".data" or path.stem not in recorded:
                path.unlink(missing_ok=True)

    def has_room(self, more_bytes: int) -> bool:
        """Whether that much more may be staged."""
        return self.used_bytes + more_bytes <= self.bytes_max

    def free_bytes(self) -> int:
        """Room on the disk that the area lies on."""
        disk = os.statvfs(self.directory)
        return disk.f_bavail * disk.f_frsize

    def close(self) -> None:
        """Let the slot go."""
        os.close(self._lock_fd)
