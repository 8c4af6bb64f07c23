"""What the command line refuses."""

from __future__ import annotations

import os
import sys

import pytest
from click.testing import CliRunner

from bench.__main__ import chosen_sizes, main
from bench.peers import find_peers
from bench.sizes import MIDDLE, QUICK


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--peer", "geesefs"], "NAME=PATH"),
        (["--peer", f"zfs={sys.executable}"], "NAME=PATH"),
        (["--peer", "geesefs=/nowhere/geesefs"], "is not a program"),
        (["--workload", "everything"], "everything"),
        (["--rounds", "0"], "--rounds"),
        (["--delay-ms", "-1"], "--delay-ms"),
        (["--store", "ceph"], "ceph"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(main, ["run", *arguments])
    assert done.exit_code == 2
    assert message in done.output


@pytest.mark.skipif(os.geteuid() != 0, reason="says first that it needs root")
def test_a_side_that_nobody_knows_is_refused() -> None:
    done = CliRunner().invoke(main, ["run", "--side", "zfs"])
    assert done.exit_code == 2
    assert "no side is called 'zfs'" in done.output


def test_a_count_changes_the_scale() -> None:
    sizes = chosen_sizes("quick", {"files": 8, "big_mib": 3, "reads": None})
    assert (sizes.files, sizes.big_bytes, sizes.reads) == (8, 3 << 20, QUICK.reads)
    assert chosen_sizes("middle", {}) == MIDDLE


def test_a_named_binary_is_used_and_one_that_is_nowhere_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    found = find_peers({"geesefs": "/opt/geesefs"})
    assert found["geesefs"] == "/opt/geesefs"
    assert "goofys" not in found
