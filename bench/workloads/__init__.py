"""The workloads by name. Each works in a side's mount, fresh at its start, and keeps what it measured in the trial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.sizes import Sizes
from bench.trial import Trial
from bench.workloads.big_file import big_file
from bench.workloads.edits import edits
from bench.workloads.listing import listing
from bench.workloads.memory import memory
from bench.workloads.save import save
from bench.workloads.small_files import small_files
from bench.workloads.source_tree import source_tree

SAVE_LIMIT_S = 20.0


@dataclass(frozen=True)
class Workload:
    """One of them, and what it needs."""

    title: str
    run: Callable[[Trial], None]
    entries: Callable[[Sizes], int] | None = None
    """So many objects are in the bucket beforehand, where the side takes them for files."""
    relayed: bool = False
    """Bytes on the wire are counted."""
    peers_limit_s: float | None = None
    """A peer's steps may take no longer."""


WORKLOADS = {
    "small": Workload("Small files", small_files),
    "big": Workload("A big file", big_file),
    "edits": Workload("Edits of a big file", edits, relayed=True),
    "listing": Workload("Listing", listing, entries=lambda sizes: sizes.listed),
    "tree": Workload("A source tree", source_tree),
    "save": Workload("Saving as editors do", save, peers_limit_s=SAVE_LIMIT_S),
    "memory": Workload("Resident memory", memory, entries=lambda sizes: sizes.entries),
}
