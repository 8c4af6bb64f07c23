"""git keeps its repositories on the drive; what it says of them is checked by fsck, and by a clone on the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

COMMITS = 200
CONFIG = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}

Git = Callable[..., str]


@pytest.fixture
def git(program: Callable[..., str]) -> Git:
    """Run git in a directory."""

    def run(where: Path, *words: object, stdin: str = "", status: int = 0) -> str:
        return program("git", "-C", where, *words, stdin=stdin, status=status, environ=CONFIG).strip()

    return run


@pytest.fixture
def repository(folder: Path, git: Git) -> Path:
    """A repository on the drive with a history, checked out."""
    git(folder, "init", "-q", "-b", "main", "repo")
    git(folder / "repo", "fast-import", "--quiet", stdin=history())
    git(folder / "repo", "reset", "-q", "--hard")
    return folder / "repo"


def history() -> str:
    """A fast-import stream: each commit changes one of twenty files."""
    stream = []
    for number in range(COMMITS):
        text, message = f"line {number}\n" * 10, f"commit {number}"
        stream.append(
            f"commit refs/heads/main\ncommitter Ada <ada@example.org> {1_700_000_000 + number} +0000\n"
            f"data {len(message)}\n{message}\nM 100644 inline dir{number % 4}/file{number % 20}\ndata {len(text)}\n{text}\n"
        )
    return "".join(stream)


def test_a_history_with_a_branch_and_a_merge_outlives_gc(repository: Path, git: Git) -> None:
    git(repository, "checkout", "-q", "-b", "side", "HEAD~50")
    for number in range(3):
        (repository / "side.txt").write_text(f"side {number}\n")
        git(repository, "add", "side.txt")
        git(repository, "commit", "-q", "-m", f"side {number}")
    git(repository, "checkout", "-q", "main")
    git(repository, "merge", "-q", "--no-edit", "side")
    git(repository, "gc", "-q", "--prune=now")
    git(repository, "fsck", "--full", "--strict")
    assert git(repository, "rev-list", "--count", "HEAD") == str(COMMITS + 3 + 1)
    assert git(repository, "status", "--porcelain") == ""
    assert (repository / "side.txt").read_text() == "side 2\n"


def test_cloned_out_to_the_disk_and_in_again(repository: Path, folder: Path, tmp_path: Path, git: Git) -> None:
    git(tmp_path, "clone", "-q", "--no-local", repository, "out")
    git(tmp_path / "out", "fsck", "--full", "--strict")
    git(folder, "clone", "-q", tmp_path / "out", "in")
    git(folder / "in", "fsck", "--full", "--strict")
    heads = {git(place, "rev-parse", "HEAD") for place in (repository, tmp_path / "out", folder / "in")}
    assert len(heads) == 1
    (folder / "in" / "new").write_text("new\n")
    git(folder / "in", "add", "new")
    git(folder / "in", "commit", "-q", "-m", "new")
    git(folder / "in", "push", "-q", "origin", "HEAD:pushed")
    assert git(tmp_path / "out", "show", "pushed:new") == "new"


def test_a_clone_within_the_drive_shares_objects_by_hard_links(repository: Path, folder: Path, git: Git) -> None:
    git(folder, "clone", "-q", "--local", repository, "twin")
    git(folder / "twin", "fsck", "--full", "--strict")
    (pack,) = (folder / "twin" / ".git" / "objects" / "pack").glob("*.pack")
    assert pack.stat().st_nlink == 2


def test_a_worktree_beside_the_repository(repository: Path, folder: Path, git: Git) -> None:
    git(repository, "worktree", "add", "-q", folder / "beside", "-b", "beside")
    (folder / "beside" / "file").write_text("beside\n")
    git(folder / "beside", "add", "file")
    git(folder / "beside", "commit", "-q", "-m", "beside")
    assert git(repository, "show", "beside:file") == "beside"
    git(repository, "worktree", "remove", folder / "beside")
    assert not (folder / "beside").exists()
    git(repository, "fsck", "--full", "--strict")
