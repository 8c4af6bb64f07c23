"""What the tests of programs share: a tree with everything that a copy may get wrong."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

LONG_NAME = "n" * 251 + ".txt"
"""As long as a name may be."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree on the disk: links of both kinds, long and foreign names, modes, times, attributes, a hole, empty folders."""
    root = tmp_path / "tree"
    (root / "d" / "deep" / "er").mkdir(parents=True)
    (root / "empty folder").mkdir(mode=0o750)
    (root / "d" / "a").write_text("one\n")
    os.link(root / "d" / "a", root / "d" / "b")
    os.link(root / "d" / "a", root / "d" / "deep" / "c")
    os.symlink("a", root / "d" / "link")
    os.symlink("deep", root / "d" / "folder link")
    os.symlink("nowhere/at all", root / "dangling")
    (root / LONG_NAME).write_text("long\n")
    (root / "d" / "deep" / "er" / "日本 é 😀").write_text("foreign\n")
    (root / "empty").touch()
    (root / "large").write_bytes(random.Random(7).randbytes(3_000_001))
    with open(root / "sparse", "wb") as file:
        file.seek(4 << 20)
        file.write(b"after the hole")
    (root / "script").write_text("#!/bin/sh\necho ran\n")
    os.chmod(root / "script", 0o755)
    os.chmod(root / "d" / "a", 0o640)
    os.setxattr(root / "d" / "a", "user.note", b"kept")
    os.utime(root / "d" / "a", ns=(981_173_106_123_456_789, 981_173_106_123_456_789))
    os.utime(root / "d" / "deep", ns=(981_173_106_000_000_000, 981_173_106_000_000_000))
    return root
