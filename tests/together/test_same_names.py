"""Two mounts create, rename and delete the same few names for a minute; then everything still fits together."""

from __future__ import annotations

import errno
import os
import random
import re
import threading
import time
from pathlib import Path

import pytest

from kumofs.config import load_settings
from kumofs.store import open_store
from tests.conftest import World
from tests.together.conftest import TwoMounts, same

FIGHT_S = float(os.environ.get("KUMOFS_TEST_FIGHT_S", "60"))
NAMES = [f"n{number}" for number in range(5)]
QUIET_S = 60.0
WRITE, RENAME, UNLINK, READ = range(4)
CLEAN = re.compile(r"^[^:]*:\s+0$")


def allowed(action: int, *, far: bool) -> set[int]:
    """The errors that a race may end with. A name may have changed twice while it was looked up (ESTALE); it may be gone, but
    writing makes it where it is missing; bytes of a far store are gone with the object, while near ones are held open."""
    return {errno.ESTALE} | ({errno.ENOENT} if action else set()) | ({errno.EIO} if far and action == READ else set())


def fight(folder: Path, seed: int, until: float, far: bool, unexpected: list[BaseException], counts: list[int]) -> None:
    chance = random.Random(seed)
    while time.monotonic() < until:
        name, other = folder / chance.choice(NAMES), folder / chance.choice(NAMES)
        action = chance.randrange(4)
        try:
            if action == WRITE:
                name.write_bytes(f"{seed} {chance.random()}".encode())
            elif action == RENAME:
                os.rename(name, other)
            elif action == UNLINK:
                os.unlink(name)
            else:
                body = name.read_bytes()
                assert re.fullmatch(rb"([01] [0-9.e-]+)?", body), body
            counts[action] += 1
        except OSError as problem:
            if problem.errno not in allowed(action, far=far):
                unexpected.append(problem)
        except BaseException as problem:
            unexpected.append(problem)


def bodies(folder: Path) -> dict[str, bytes]:
    """Every name with its bytes; a name that cannot be read raises."""
    return {name: (folder / name).read_bytes() for name in os.listdir(folder)}


def clean(said: str) -> bool:
    """Whether a collection found nothing to do and nothing wrong."""
    return all(CLEAN.match(line) for line in said.splitlines() if line)


def keys(world: World) -> list[str]:
    settings = load_settings(world.environ)
    store = open_store(settings.store, settings.s3)
    try:
        return [info.key for info in store.list("ada/")]
    finally:
        store.close()


@pytest.mark.timeout(900)
def test_a_minute_of_the_same_names(two_mounts: TwoMounts) -> None:
    (two_mounts.one / "ring").mkdir()
    two_mounts.seen("the folder", (two_mounts.two / "ring").is_dir)
    until, unexpected, counts = time.monotonic() + FIGHT_S, [], [0, 0, 0, 0]
    far = not load_settings(two_mounts.here.environ).store.startswith("file:")
    fighters = [
        threading.Thread(target=fight, args=(top / "ring", seed, until, far, unexpected, counts))
        for seed, top in enumerate((two_mounts.one, two_mounts.two))
    ]
    for fighter in fighters:
        fighter.start()
    for fighter in fighters:
        fighter.join()
    print("written, renamed, unlinked, read:", counts)
    assert unexpected == []
    assert min(counts) > 10
    two_mounts.seen("the same", lambda: same(bodies(two_mounts.one / "ring"), bodies(two_mounts.two / "ring")), QUIET_S)
    files = bodies(two_mounts.one / "ring")
    collected = []
    two_mounts.seen(
        "nothing left to collect",
        lambda: clean(collected.append(two_mounts.here.run("gc", "--older-than", 0)) or collected[-1]),
        QUIET_S,
    )
    assert not any("MISSING" in said or "left alone" in said for said in collected), collected
    assert len(keys(two_mounts.here)) == len(files)
    assert bodies(two_mounts.two / "ring") == files
