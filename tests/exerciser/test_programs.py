"""fio, stress-ng and dbench on a mount: each verifies what it does, for a few seconds (KUMOFS_TEST_LONG=1: for a minute)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

LONG = bool(os.environ.get("KUMOFS_TEST_LONG"))
SECONDS = "60" if LONG else "3"
LIMIT_S = 500


def run(folder: Path, *command: str) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed: scripts/install-system-packages test")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


@pytest.mark.timeout(LIMIT_S + 60)
def test_fio_reads_what_four_jobs_wrote_at_random(folder: Path) -> None:
    said = run(
        folder, "fio", "--name=verify", "--directory=.", "--rw=randwrite", "--bsrange=1k-64k", "--numjobs=4",
        f"--size={'64m' if LONG else '4m'}", "--verify=crc32c", "--verify_fatal=1", "--do_verify=1", "--ioengine=psync",
        "--fallocate=none", "--group_reporting", "--end_fsync=1",
    )  # fmt: skip
    assert "err= 0" in said


@pytest.mark.timeout(LIMIT_S + 60)
@pytest.mark.parametrize("stressor", ["iomix", "dir", "rename", "link", "utime"])
def test_stress_ng(folder: Path, stressor: str) -> None:
    extra = {"iomix": ["--iomix-bytes", "4m"], "link": ["--link-ops", "300"]}.get(stressor, [])
    run(
        folder,
        "stress-ng",
        f"--{stressor}",
        "1" if stressor == "link" else "2",
        "--timeout",
        SECONDS,
        "--temp-path",
        str(folder),
        "--verify",
        *extra,
    )
    assert os.listdir(folder) == []


@pytest.mark.timeout(LIMIT_S + 60)
def test_dbench(folder: Path) -> None:
    loadfile = Path("/usr/share/dbench/client.txt")
    if shutil.which("dbench") and not loadfile.exists():
        pytest.skip(f"dbench has no {loadfile}")
    said = run(folder, "dbench", "-D", str(folder), "-t", SECONDS, "-c", str(loadfile), "2")
    assert "Throughput" in said
