"""Translation of the directory store's OSErrors: none leaves the room, and each says what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kumofs.errors import KeyRefused, StoreError, StoreFull, StoreUnavailable

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
UNNAMEABLE = frozenset({errno.ENAMETOOLONG, errno.EILSEQ})
NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM})


def store_error(problem: OSError, root: Path) -> StoreError:
    """What an OSError under `root` is to the store's callers."""
    reason = problem.strerror or str(problem)
    if problem.errno in FULL:
        return StoreFull(f"no room left in the store {root} ({reason}): free some space or raise the quota")
    if problem.errno in UNNAMEABLE:
        return KeyRefused(f"the file system of the store {root} cannot carry this name ({reason}): use another")
    if problem.errno == errno.ENOENT:
        return StoreUnavailable(f"the store {root} is not there: mount its disk, or create its parent directory")
    if problem.errno in NOT_ALLOWED:
        return StoreUnavailable(f"the store {root} may not be used ({reason}): give this user read and write access")
    if problem.errno == errno.EROFS:
        return StoreUnavailable(f"the store {root} is on a read-only file system: mount it for writing")
    if problem.errno == errno.ENOTDIR:
        return StoreUnavailable(f"the store {root} is not a directory: name one in its url")
    return StoreUnavailable(f"the store {root} does not answer ({reason}): check its disk")


@contextmanager
def store_errors(root: Path) -> Iterator[None]:
    """Turn an OSError of the block into a StoreError."""
    try:
        yield
    except OSError as problem:
        raise store_error(problem, root) from problem
