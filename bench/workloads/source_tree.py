"""A source tree: unpacked, cloned by git, asked for its status."""

from __future__ import annotations

from pathlib import Path

from bench.bounded import Failed
from bench.material import GIT, GIT_ENVIRON, file_sizes
from bench.trial import Trial, run


def source_tree(trial: Trial) -> None:
    """Files of Python's own library. A clone writes the objects of git and the files."""
    top, material = trial.side.top, trial.material
    sizes = file_sizes(material / "tree")
    untar: list[str | Path] = ["tar", "--no-same-owner", "-xf", material / "tree.tar", "-C", top]
    taken = trial.time("untar: done", lambda: run(*untar))
    trial.durable("untar: durable", sizes, taken)
    if not (material / "repository").exists():
        raise Failed("git is not installed")
    clone: list[str | Path] = [*GIT, "clone", "--quiet", "--no-local", "--template=", material / "repository", top / "clone"]
    taken = trial.time("git clone: done", lambda: run(*clone, **GIT_ENVIRON))
    trial.durable("git clone: durable", sizes + trial.look(lambda: file_sizes(top / "clone")), taken)
    status: list[str | Path] = [*GIT, "-C", top / "clone", "status", "--porcelain"]
    trial.time("git status, warm", lambda: run(*status, **GIT_ENVIRON))
    trial.cold()
    trial.time("git status, cold", lambda: run(*status, **GIT_ENVIRON))
