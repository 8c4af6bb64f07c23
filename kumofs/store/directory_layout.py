"""The directories of a directory store, and how they are made."""

from __future__ import annotations

from pathlib import Path

from kumofs.errors import StoreUnavailable
from kumofs.store.directory_incoming import sync_directory

OBJECTS = "objects"
OWN = ".kumofs"
ROOMS = ("incoming", "uploads", "metadata", "locks")


def lay_out(root: Path) -> None:
    """Make the directories of a new store, durably. StoreUnavailable, OSError.

    Our own come last: where they are, the objects' directory was there too, so its absence is not that of a new store.
    """
    if (root / OWN).is_dir() and not (root / OBJECTS).is_dir():
        raise StoreUnavailable(f"{root} is a store without its {OBJECTS} directory: put it back, or choose another root")
    made = [path for path in (root, root / OBJECTS, root / OWN, *(root / OWN / room for room in ROOMS)) if made_now(path)]
    for path in made:
        sync_directory(path.parent)
    if (root / OBJECTS).stat().st_dev != (root / OWN).stat().st_dev:
        raise StoreUnavailable(f"{root / OBJECTS} and {root / OWN} must be on one file system: nothing may be mounted on them")


def made_now(path: Path) -> bool:
    """Make a directory, unless it is there. OSError."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir():
            raise StoreUnavailable(f"{path} is not a directory: choose another root for the store") from None
        return False
    return True
