"""docs/semantics.md is true: each of its examples prints what it says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import MONGODB

PAGE = (Path(__file__).parent.parent.parent / "docs" / "semantics.md").read_text()
EXAMPLES = [
    (command, "\n".join(line[4:] for line in shown.splitlines()))
    for command, shown in re.findall(r"^    \$ (.*)\n((?:    (?!\$ ).*\n)*)", PAGE, re.MULTILINE)
]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 9


def test_the_examples_print_what_the_page_says(folder: Path) -> None:
    for command, expected in EXAMPLES:
        done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60)
        assert done.stdout.strip() == expected, f"$ {command}: {done.stdout}{done.stderr}"


@pytest.mark.timeout(300)
def test_a_folder_of_thousands_lists_in_one_go(folder: Path) -> None:
    many = 2_500 if MONGODB else 10_000  # the server of the tests makes about a hundred names a second
    for number in range(many):
        os.symlink("x", folder / f"{number}")
    assert len(os.listdir(folder)) == many
