"""kill -9 of the daemon under load, at random moments, again and again: what was closed is there with its bytes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

KILLS = int(os.environ.get("KUMOFS_TEST_KILLS", "200"))
"""Altogether; `make test` does them on the embedded pair, each lane of `make test-services` does some."""
MOUNTS_A_TEST = 50
NAMES = [f"{folder}{name}" for folder in ("", "one/", "two/") for name in ("a", "b", "c", "report.txt", "photo.jpg")]
LARGEST_BYTES = 200_000


class Person:
    """Works in a drive until it goes away. `files` is what was acknowledged; `unsure` what the interrupted call was about."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.files: dict[str, bytes] = {}
        self.unsure: set[str] = set()
        self.calls = 0

    def work(self, drive: Path) -> None:
        """Until the first error."""
        try:
            while True:
                self.call(drive)
                self.calls += 1
        except OSError:
            return

    def call(self, drive: Path) -> None:
        verb = self.random.choice((self.write, self.write, self.append, self.save, self.rename, self.unlink, self.rename_folder))
        verb(drive)
        self.unsure.clear()

    def body(self) -> bytes:
        return self.random.randbytes(self.random.choice((0, 10, 5000, LARGEST_BYTES)))

    def write(self, drive: Path) -> None:
        name, body = self.random.choice(NAMES), self.body()
        self.unsure = {name}
        (drive / name).parent.mkdir(exist_ok=True)
        (drive / name).write_bytes(body)
        self.files[name] = body

    def append(self, drive: Path) -> None:
        if not self.files:
            return
        name, body = self.random.choice(sorted(self.files)), self.body()
        self.unsure = {name}
        with (drive / name).open("ab") as file:
            file.write(body)
        self.files[name] = (self.files[name] + body)[-10 * LARGEST_BYTES :]
        if len(self.files[name]) == 10 * LARGEST_BYTES:
            self.unlink(drive, name)

    def save(self, drive: Path) -> None:
        """As editors do: under a temporary name, then over the old one."""
        name, body = self.random.choice(NAMES), self.body()
        temporary = f"{name}.tmp"
        self.unsure = {name, temporary}
        (drive / name).parent.mkdir(exist_ok=True)
        (drive / temporary).write_bytes(body)
        self.files[temporary] = body
        (drive / temporary).rename(drive / name)
        self.files[name] = self.files.pop(temporary)

    def rename(self, drive: Path) -> None:
        if not self.files:
            return
        old, new = self.random.choice(sorted(self.files)), self.random.choice(NAMES)
        if old == new:
            return
        self.unsure = {old, new}
        (drive / new).parent.mkdir(exist_ok=True)
        (drive / old).rename(drive / new)
        self.files[new] = self.files.pop(old)

    def unlink(self, drive: Path, name: str | None = None) -> None:
        if not self.files:
            return
        name = name or self.random.choice(sorted(self.files))
        self.unsure = {name}
        (drive / name).unlink()
        del self.files[name]

    def rename_folder(self, drive: Path) -> None:
        moved = {name for name in self.files if name.startswith("one/")}
        if not (drive / "one").exists() or (drive / "three").exists():
            return
        self.unsure = {*self.files, *(f"three/{name[4:]}" for name in moved)}
        (drive / "one").rename(drive / "three")
        for name in moved:
            self.files[f"three/{name[4:]}"] = self.files.pop(name)
        for name in [name for name in self.files if name.startswith("three/")]:
            self.unsure = {name}
            (drive / name).unlink()
            del self.files[name]
        shutil.rmtree(drive / "three")

    def check(self, drive: Path) -> int:
        """Everything that was acknowledged is there; how many files were compared. What was under way is taken as it is."""
        there = {str(path.relative_to(drive)): path.read_bytes() for path in drive.rglob("*") if path.is_file()}
        sure = {name: body for name, body in self.files.items() if name not in self.unsure}
        wrong = {name for name, body in sure.items() if there.get(name) != body}
        assert not wrong, f"lost or changed: {sorted(wrong)}"
        more = set(there) - set(self.files) - self.unsure
        assert not more, f"came from nowhere: {sorted(more)}"
        self.files = there
        self.unsure = set()
        return len(sure)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(max(1, KILLS // MOUNTS_A_TEST)))
def test_what_was_closed_survives_a_kill(world, seed) -> None:
    world.signup()
    person, chance = Person(seed), random.Random(seed)
    compared = 0
    for _ in range(min(KILLS, MOUNTS_A_TEST)):
        drive = world.mount()
        compared += person.check(drive)
        worker = threading.Thread(target=person.work, args=(drive,))
        worker.start()
        time.sleep(chance.uniform(0.02, 0.6))
        os.kill(world.pid(), signal.SIGKILL)
        worker.join(timeout=10)
        if worker.is_alive():  # the kernel keeps a thread of the dead, and with it the connection (daemon/mount_point)
            print("a killed mount that had to be let go:", world.call("umount", drive))
            worker.join(timeout=50)
        assert not worker.is_alive()
    drive = world.mount()
    compared += person.check(drive)
    world.run("sync")
    assert person.check(drive) == len(person.files)
    world.umount()
    person.check(world.mount())
    print(f"{min(KILLS, MOUNTS_A_TEST)} kills, {person.calls} calls, {compared} files compared")
    world.umount()
