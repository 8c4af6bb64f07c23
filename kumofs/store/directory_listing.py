"""Listing of the directory store: keys in order of their code points, one folder's names in memory per level.

A folder sorts as its name with the `/` behind it, as its keys do: `a-` before `a/b` before `a0`. No descriptor stays open
while the caller looks at an object.
"""

from __future__ import annotations

from collections.abc import Iterator

from kumofs.errors import KeyRefused
from kumofs.store.directory_tree import Tree, components, etag_of
from kumofs.store.protocol import ObjectInfo

BATCH = 256
"""Most objects whose state is looked up at once."""


def listed(tree: Tree, prefix: str, after: str) -> Iterator[ObjectInfo]:
    """The objects whose key starts with `prefix` and is greater than `after`; without metadata. OSError."""
    start = prefix[: prefix.rfind("/") + 1]
    if not is_folder(start):
        return
    levels = [(start, wanted_names(tree, start, prefix, after))]
    while levels:
        folder, names = levels[-1]
        if not names:
            levels.pop()
        elif names[-1].endswith("/"):
            inner = folder + names.pop()
            levels.append((inner, wanted_names(tree, inner, prefix, after)))
        else:
            for name, state in tree.states(folder, next_files(names)):
                yield ObjectInfo(folder + name, etag_of(state), state.st_size, state.st_mtime_ns)


def is_folder(folder: str) -> bool:
    """Whether a folder's path (`""` or ending in `/`) can be one at all."""
    try:
        return not folder or bool(components(folder[:-1]))
    except KeyRefused:
        return False


def wanted_names(tree: Tree, folder: str, prefix: str, after: str) -> list[str]:
    """The names in a folder that are, or may have below them, keys of the listing; the last comes first. OSError."""
    names = [name for name in tree.names(folder) if may_match(folder + name, prefix, after)]
    names.sort(reverse=True)
    return names


def may_match(path: str, prefix: str, after: str) -> bool:
    """Whether a key, or any below a folder (its path ends in `/`), has the prefix and comes after `after`."""
    if path.endswith("/"):
        return (path.startswith(prefix) or prefix.startswith(path)) and (path > after or after.startswith(path))
    return path.startswith(prefix) and path > after


def next_files(names: list[str]) -> list[str]:
    """Take the next files off a list that has its first name last; no folder is stepped over."""
    found: list[str] = []
    while names and len(found) < BATCH and not names[-1].endswith("/"):
        found.append(names.pop())
    return found
