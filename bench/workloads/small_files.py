"""Small files: copied in, read, their folder renamed, removed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from bench.bounded import Failed
from bench.bucket import Objects
from bench.material import file_sizes
from bench.trial import Trial, run


def small_files(trial: Trial) -> None:
    """All of them are copied in and removed; half of them lie in the folder that is renamed."""
    top = trial.side.top / "small"
    sizes = file_sizes(trial.material / "small")
    thousands = len(sizes) / 1000
    with trial.cpu("copy in: CPU, s per 1,000", thousands):
        taken = trial.time("copy in: closed", lambda: run("cp", "-r", trial.material / "small", top))
        trial.durable("copy in: durable", sizes, taken)
    trial.cold()
    with trial.cpu("read all, cold: CPU, s per 1,000", thousands):
        trial.time("read all, cold", lambda: read_all(top))
    trial.time("read all, warm", lambda: read_all(top))
    with suppress(Failed):  # a peer that cannot rename a folder can still be asked to remove it
        rename_folder(trial, top)
    taken = trial.time("rm -r: done", lambda: run("rm", "-r", top))
    trial.wait("rm -r: in the bucket", lambda found: not any(size for size, _ in found.values()), taken)


def rename_folder(trial: Trial, top: Path) -> None:
    """Until it returns, and until the keys have followed."""
    files = len(list((trial.material / "small" / "first").iterdir()))

    def followed(found: Objects) -> bool:
        return sum("/moved/" in f"/{key}" for key in found) == files

    taken = trial.time("rename the folder: done", lambda: (top / "first").rename(top / "moved"))
    if trial.side.plain:
        trial.wait("rename the folder: in the bucket", followed, taken)


def read_all(top: Path) -> None:
    """In the order of their names, as programs do."""
    for folder in sorted(top.iterdir()):
        for path in sorted(folder.iterdir()):
            path.read_bytes()
