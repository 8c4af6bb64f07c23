"""What is copied into the mounts: the same bytes in each run and for each side."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sysconfig
import tarfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from bench.sizes import Sizes

ENTRY = b"one of many\n"
ENTRIES_PER_FOLDER = 1000
GIT = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "safe.directory=*", "-c", "gc.auto=0"]
GIT_ENVIRON = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def make_material(base: Path, sizes: Sizes) -> None:
    """`small/` (two folders of files of 1–64 KiB), `big`, `tree.tar`, and `repository` where there is git."""
    chance = random.Random(1)
    for number in range(sizes.files):
        folder = base / "small" / ("first" if number < sizes.files // 2 else "second")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:05}").write_bytes(chance.randbytes(chance.randrange(1 << 10, 64 << 10)))
    with open(base / "big", "wb") as file:
        for _ in range(sizes.big_bytes >> 20):
            file.write(chance.randbytes(1 << 20))
    copy_tree(base / "tree", sizes.tree_files)
    with tarfile.open(base / "tree.tar", "w") as archive:
        archive.add(base / "tree", "tree")
    if shutil.which("git"):
        make_repository(base / "tree", base / "repository")


def copy_tree(target: Path, files: int) -> None:
    """A source tree that every machine has: the first files of Python's own library."""
    library = Path(sysconfig.get_path("stdlib"))
    for source in islice(sources(library), files):
        path = target / source.relative_to(library)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)


def sources(library: Path) -> Iterator[Path]:
    """Packages first, so that there are folders; files without a byte are left out, since not every side has objects of them."""
    left_out = {"__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3"}
    found = (path.relative_to(library) for path in library.rglob("*.py"))
    kept = [path for path in found if not left_out & set(path.parts)]
    for path in sorted(kept, key=lambda path: (len(path.parts) == 1, path)):
        if (library / path).stat().st_size:
            yield library / path


def make_repository(tree: Path, repository: Path) -> None:
    shutil.copytree(tree, repository)
    for arguments in (["init", "--template="], ["add", "."], ["commit", "-m", "all of it"]):
        git = [*GIT, "-C", str(repository), *arguments]
        subprocess.run(git, check=True, capture_output=True, env={**os.environ, **GIT_ENVIRON})


def entry_names(count: int) -> Iterator[str]:
    """Paths of files that are only listed, 1,000 in each folder."""
    return (f"{number // ENTRIES_PER_FOLDER:03}/{number:06}" for number in range(count))


def file_sizes(folder: Path) -> list[int]:
    """Sizes of all files below it, in bytes."""
    return [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
