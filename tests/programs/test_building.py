"""Building on the drive: a C program with make, and a Python environment with pip, both run from there."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

PARTS = 8
MAKEFILE = """
objects := $(patsubst %.c,%.o,$(wildcard *.c))
sum: main.o libparts.a
\t$(CC) -o $@ main.o -L. -lparts
libparts.a: $(filter-out main.o,$(objects))
\t$(AR) rcs $@ $^
%.o: %.c parts.h
\t$(CC) -O1 -c -o $@ $<
"""
PYTHON_MODULE = "def main():\n    print('hello from the drive')\n"
WHEEL = {
    "greeting/__init__.py": PYTHON_MODULE,
    "greeting-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
    "greeting-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "greeting-1.0.dist-info/entry_points.txt": "[console_scripts]\ngreet = greeting:main\n",
    "greeting-1.0.dist-info/RECORD": "",
}


def write_sources(folder: Path) -> None:
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "parts.h").write_text("".join(f"int part{n}(void);\n" for n in range(PARTS)))
    for number in range(PARTS):
        (folder / f"part{number}.c").write_text(f'#include "parts.h"\nint part{number}(void) {{ return {number}; }}\n')
    calls = " + ".join(f"part{n}()" for n in range(PARTS))
    (folder / "main.c").write_text(f'#include <stdio.h>\n#include "parts.h"\nint main(void) {{ printf("%d\\n", {calls}); }}\n')


def test_make_builds_once_and_then_only_what_changed(folder: Path, program: Callable[..., str]) -> None:
    write_sources(folder)
    program("make", "-j2", cwd=folder)
    assert program(folder / "sum") == f"{sum(range(PARTS))}\n"
    program("make", "-q", cwd=folder)
    (folder / "part3.c").write_text('#include "parts.h"\nint part3(void) { return 1003; }\n')
    rebuilt = [line.split()[-1] for line in program("make", "-j2", cwd=folder).splitlines() if " -c " in line]
    assert rebuilt == ["part3.c"]
    assert program(folder / "sum") == f"{sum(range(PARTS)) + 1000}\n"
    assert len(program("ar", "t", folder / "libparts.a").split()) == PARTS


def test_a_python_environment_with_an_installed_package(folder: Path, tmp_path: Path, program: Callable[..., str]) -> None:
    wheel = tmp_path / "greeting-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in WHEEL.items():
            archive.writestr(name, text)
    program(sys.executable, "-m", "venv", "--without-pip", folder / "env")  # pip's own 1,000 files would take a minute
    python = folder / "env" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")  # runs in the environment's Python
    program(*pip, "install", "--no-index", "--no-deps", "-q", wheel)
    assert program(folder / "env" / "bin" / "greet") == "hello from the drive\n"
    assert program(python, "-c", "import greeting; print(greeting.__file__)").startswith(str(folder))
    program(*pip, "check")
    program(*pip, "uninstall", "-q", "-y", "greeting")
    program(python, "-c", "import greeting", status=1)
    assert not list(folder.rglob("greet*"))
