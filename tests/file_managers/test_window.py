"""A real file manager, pcmanfm, on a screen without glass: it opens the drive, shows the files, and hears of changes.

The pictures on the drive are of colours that nothing else on the screen has; what is seen is read off the screenshot.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SEEN_PIXELS = 500
"""A thumbnail has thousands."""

Program = Callable[..., str]


@contextmanager
def running(command: list[str], environ: dict[str, str], **streams: int) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, env={**os.environ, **environ}, text=True, **streams) as process:
        try:
            yield process
        finally:
            process.terminate()


@pytest.fixture
def screen(desktop: dict[str, str], needs_program: Callable[[str], None]) -> Iterator[dict[str, str]]:
    """The environment of programs that draw on it."""
    for name in ("Xvfb", "pcmanfm", "import", "convert"):
        needs_program(name)
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "900x600x24", "-nolisten", "tcp"]
    with running(command, desktop, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        number = server.stdout.readline().strip()
        assert number, "Xvfb did not start"
        yield {**desktop, "DISPLAY": f":{number}"}


def pixels(program: Program, picture: Path, colour: str) -> int:
    """How many pixels of a picture have a colour, as #RRGGBB."""
    found = re.search(
        rf"(\d+): \([^)]*\) {colour}\b", program("convert", picture, "-depth", "8", "-format", "%c", "histogram:info:")
    )
    return int(found[1]) if found else 0


def test_a_file_manager_shows_the_drive(
    folder: Path,
    screen: dict[str, str],
    artifacts: Path,
    program: Program,
    eventually: Callable[..., object],
) -> None:
    def seen(name: str, colour: str) -> bool:
        program("import", "-window", "root", artifacts / name, environ=screen)
        return pixels(program, artifacts / name, colour) > SEEN_PIXELS

    program("convert", "-size", "400x300", "xc:#E010D0", folder / "first.png")
    (folder / "letter.txt").write_text("Dear drive")
    (folder / "a folder").mkdir()
    with running(["pcmanfm", "--no-desktop", str(folder)], screen) as manager:
        eventually(lambda: manager.poll() or seen("pcmanfm-opened.png", "#E010D0"), "the window does not show the picture")
        assert manager.poll() is None, "the file manager ended"
        program("convert", "-size", "400x300", "xc:#10C0E0", folder.parent / f".{folder.name}.png")
        os.rename(folder.parent / f".{folder.name}.png", folder / "second.png")  # pcmanfm draws a new file once: it must be whole
        eventually(lambda: seen("pcmanfm-second-picture.png", "#10C0E0"), "the window does not show what came later")
        os.unlink(folder / "first.png")
        eventually(lambda: not seen("pcmanfm-first-picture-gone.png", "#E010D0"), "the window still shows what is gone")
