"""inotify within one mount: a watcher hears of what other processes do through the same mount."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

CHANGES = """
mkdir sub
echo text > sub/new
mv sub/new old
chmod 600 old
echo more >> old
ln old twin
rm old
rmdir sub
touch the-end
"""
HEARD = [
    "CREATE,ISDIR sub",
    "MOVED_TO old",
    "ATTRIB old",
    "MODIFY old",
    "CLOSE_WRITE,CLOSE old",
    "CREATE twin",
    "DELETE old",
    "DELETE,ISDIR sub",
    "CREATE the-end",
]


def test_a_watcher_hears_of_every_change(folder: Path, program: Callable[..., str], needs_program: Callable[[str], None]) -> None:
    needs_program("inotifywait")
    command = ["inotifywait", "--monitor", "--format", "%e %f", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None and watcher.stderr is not None
        try:
            while "established" not in watcher.stderr.readline():
                assert watcher.poll() is None
            program("sh", "-e", "-c", CHANGES, cwd=folder)
            heard = []
            while not heard or heard[-1] != HEARD[-1]:
                heard.append(watcher.stdout.readline().strip())
                assert heard[-1], f"the watcher ended: {heard}"
        finally:
            watcher.kill()
    once = list(dict.fromkeys(event for event in heard if event in HEARD))
    assert sorted(once) == sorted(HEARD), heard
