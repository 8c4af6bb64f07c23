"""The store fails while files are written, read and renamed: what is here goes on, the rest is EIO in time, nothing is lost."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.faults.conftest import Person, Proxy, until

DEADLINE_S = 5
BLACK_HOLE = ("timeout", "upstream", {"timeout": 0})
FAULTS: dict[str, Callable[[Proxy], AbstractContextManager[None]]] = {
    "refused": lambda proxy: proxy.refuses(),
    "black hole": lambda proxy: proxy.toxic(BLACK_HOLE),
    "answers lost": lambda proxy: proxy.toxic(("timeout", "downstream", {"timeout": 0})),
    "reset": lambda proxy: proxy.toxic(("reset_peer", "downstream", {"timeout": 50})),
    "cut off in the body": lambda proxy: proxy.toxic(
        ("limit_data", "upstream", {"bytes": 100_000}), ("limit_data", "downstream", {"bytes": 100_000})
    ),
    "503": lambda proxy: proxy.answers(503, "SlowDown"),
    "500": lambda proxy: proxy.answers(500, "InternalError"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_while_the_store_fails(person: Person, store_proxy: Proxy, fault: str) -> None:
    with FAULTS[fault](store_proxy):
        person.work()
        assert "files" in person.world.run("status")
    print(person.errors)
    assert set(person.errors) <= {"read"}, "names, and what is written, need no store"
    if not fault.startswith("cut off"):  # small bodies pass there
        assert person.errors
    person.recover()


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [(403, "AccessDenied", "the credentials are good but may not do this"), (503, "SlowDown", "asks to be asked less often")],
)
def test_what_is_closed_meanwhile_says_why_it_waits_and_goes_out_by_itself(
    person: Person, store_proxy: Proxy, status: int, code: str, told: str
) -> None:
    bodies = {f"new/{code}{number}": os.urandom(200_000) for number in range(4)}
    paths = [person.drive / name for name in bodies]
    with store_proxy.answers(status, code):
        for path, body in zip(paths, bodies.values(), strict=True):
            path.write_bytes(body)
        for path in paths:
            until("the failure", lambda path=path: state(path).startswith("error: ") and told in state(path))
        said = " ".join(person.world.run("status").split())
        assert "failed and are tried again" in said
        assert told in said
        person.world.run("sync", paths[0], status=21)
    person.files |= {name: {body} for name, body in bodies.items()}
    for path, body in zip(paths, bodies.values(), strict=True):
        assert path.read_bytes() == body
    for path in paths:  # and nobody asks for it
        until("the upload", lambda path=path: state(path) == "synced")
    person.recover()


def state(path: Path) -> str:
    return os.getxattr(path, "user.kumo.state").decode()


def test_what_is_known_answers_quickly_beside_a_black_hole(person: Person, store_proxy: Proxy) -> None:
    names = [f"new/many{number}" for number in range(24)]
    for name in names:
        person.files[name] = {os.urandom(1000)}
        (person.drive / name).write_bytes(next(iter(person.files[name])) or b"")
    person.world.run("sync")
    took: list[float] = []
    with store_proxy.toxic(BLACK_HOLE), ThreadPoolExecutor(32) as threads:
        reads = [threads.submit(person.read, name) for name in ("warm/a", "warm/b", "warm/large", "cold/a")]
        writes = [threads.submit((person.drive / f"{name}.more").write_bytes, b"more") for name in names]
        person.files |= {f"{name}.more": {b"more"} for name in names}
        while not all(task.done() for task in (*reads, *writes)) or len(took) < 20:
            began = time.monotonic()
            # a name that is not there is asked of the daemon every time, whatever the kernel remembers
            assert not (person.drive / "warm" / f"missing{len(took)}").exists()
            assert (person.drive / "warm" / "large").stat().st_size == 3 << 20
            assert set(os.listdir(person.drive / "warm")) == {"a", "b", "large"}
            took.append(time.monotonic() - began)
            time.sleep(0.05)
    print(f"{len(took)} looks, median {statistics.median(took) * 1000:.1f} ms, longest {max(took):.2f} s")
    assert statistics.median(took) < DEADLINE_S / 10
    assert person.errors, "the black hole was none"
    person.recover()
