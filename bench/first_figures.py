"""First figures: kumofs beside the plain disk and pyfuse3's own passthrough example, in one run.

    .venv/bin/python bench/first_figures.py [--runs 5] [--passthrough EXAMPLE.py]

Copies 500 files of 16 KiB in, lists them, reads them back; 512 MiB in and out; renames the folder of 500. Prints medians
and the ratio to the plain disk. The kernel's cache is emptied before reading where that is allowed.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

FILES, FILE_BYTES, BIG_BYTES = 500, 16 * 1024, 512 << 20


def kumofs(world: Path, *args: str, stdin: str = "") -> None:
    names = {"DATA_HOME": "data", "CONFIG_HOME": "config", "STATE_HOME": "state", "CACHE_HOME": "cache", "RUNTIME_DIR": "run"}
    environ = {**os.environ, **{f"XDG_{key}": str(world / value) for key, value in names.items()}}
    command = [sys.executable, "-m", "kumofs", *args]
    subprocess.run(command, env=environ, input=stdin, text=True, check=True, capture_output=True)


@contextmanager
def drive(base: Path) -> Iterator[Path]:
    world, mount_point = base / "world", base / "drive"
    for path in (world, mount_point):
        path.mkdir(mode=0o700)
    kumofs(world, "signup", "bench@example.org", "--password-stdin", stdin=os.urandom(12).hex())
    kumofs(world, "mount", str(mount_point))
    try:
        yield mount_point
    finally:
        kumofs(world, "umount", str(mount_point))


@contextmanager
def plain(base: Path) -> Iterator[Path]:
    (base / "plain").mkdir()
    yield base / "plain"


@contextmanager
def passthrough(base: Path, example: Path) -> Iterator[Path]:
    source, mount_point = base / "source", base / "through"
    source.mkdir()
    mount_point.mkdir()
    process = subprocess.Popen([sys.executable, str(example), str(source), str(mount_point)])
    while not mount_point.is_mount():
        time.sleep(0.05)
    try:
        yield mount_point
    finally:
        subprocess.run(["umount", str(mount_point)], check=True)
        process.wait()


def forget_pages() -> None:
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        print("the kernel's cache could not be emptied: reads are warm", file=sys.stderr)


def measure(top: Path, material: Path) -> dict[str, float]:
    """Seconds of each step, on one file system."""
    steps: dict[str, Callable[[], object]] = {
        "500 x 16 KiB in": lambda: subprocess.run(["cp", "-r", str(material / "many"), str(top / "many")], check=True),
        "list (ls -l)": lambda: subprocess.run(["ls", "-l", str(top / "many")], check=True, capture_output=True),
        "read back": lambda: [path.read_bytes() for path in sorted((top / "many").iterdir())],
        "rename the folder": lambda: (top / "many").rename(top / "moved"),
        "512 MiB in": lambda: subprocess.run(["cp", str(material / "big"), str(top / "big")], check=True),
        "512 MiB out": lambda: subprocess.run(["cp", str(top / "big"), "/dev/null"], check=True),
    }
    took = {}
    for title, step in steps.items():
        if title in ("read back", "512 MiB out"):
            forget_pages()
        began = time.perf_counter()
        step()
        took[title] = time.perf_counter() - began
    shutil.rmtree(top / "moved")
    (top / "big").unlink()
    return took


@click.command()
@click.option("--runs", default=5, show_default=True)
@click.option(
    "--passthrough", "example", type=click.Path(path_type=Path, exists=True), help="pyfuse3's examples/passthroughfs.py"
)
@click.option("--directory", type=click.Path(path_type=Path, exists=True), default=tempfile.gettempdir(), show_default=True)
def main(runs: int, example: Path | None, directory: Path) -> None:
    with tempfile.TemporaryDirectory(dir=directory) as name:
        base = Path(name)
        (base / "many").mkdir()
        for number in range(FILES):
            (base / "many" / f"{number:04}").write_bytes(os.urandom(FILE_BYTES))
        with open(base / "big", "wb") as file:
            for _ in range(BIG_BYTES >> 20):
                file.write(os.urandom(1 << 20))
        found: dict[str, list[dict[str, float]]] = {}
        sides = {"plain disk": plain, "kumofs": drive}
        if example is not None:
            sides["passthrough"] = lambda base: passthrough(base, example)
        for run in range(runs):
            for title, side in sides.items():
                place = base / f"{title.replace(' ', '-')}-{run}"
                place.mkdir()
                with side(place) as top:
                    found.setdefault(title, []).append(measure(top, base))
                shutil.rmtree(place)
        show(found, runs)


def show(found: dict[str, list[dict[str, float]]], runs: int) -> None:
    table = Table(f"medians of {runs}, seconds", *found, *(f"{title} / disk" for title in list(found)[1:]))
    for step in found["plain disk"][0]:
        medians = [statistics.median(run[step] for run in side) for side in found.values()]
        ratios = [f"{median / medians[0]:.1f}" for median in medians[1:]]
        table.add_row(step, *(f"{median:.4f}" for median in medians), *ratios)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
