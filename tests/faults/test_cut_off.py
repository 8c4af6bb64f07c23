"""A machine that is cut off from everything: one works on, and what another machine did meanwhile is kept beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import MONGODB, S3
from tests.faults.conftest import Machines, Person, Proxy, until
from tests.together.conftest import OtherMachine

DEADLINE_S = 5


@pytest.fixture
def elsewhere(machines: Machines, tmp_path: Path) -> Iterator[Path]:
    """A drive of the same home on a machine whose way to the servers is another one."""
    world = OnAnotherWay(tmp_path, machines.here)
    try:
        yield world.mount("drive", "--write-through")
        world.umount()
    finally:
        world.close()


class OnAnotherWay(OtherMachine):
    """No proxy lies between it and the servers."""

    @property
    def environ(self) -> dict[str, str]:
        direct = {"KUMOFS_ENDPOINT": str(S3)}
        if MONGODB:
            database = self.first.settings.catalog.rpartition("/")[2].partition("?")[0]
            direct["KUMOFS_CATALOG"] = f"{MONGODB.rstrip('/')}/{database}"
        return super().environ | direct


def test_a_file_edited_here_and_elsewhere_is_kept_twice(
    person: Person, elsewhere: Path, store_proxy: Proxy, catalog_proxy: Proxy | None
) -> None:
    theirs, ours = b"theirs, made while we were cut off", b"ours, made while we were cut off"
    here, there = person.drive / "edited" / "a", elsewhere / person.folder / "edited" / "a"
    here.read_bytes()
    with ExitStack() as cut:
        for proxy in (store_proxy, catalog_proxy):
            if proxy is not None:
                cut.enter_context(proxy.refuses())
        with here.open("r+b") as file:
            file.truncate(0)
            file.write(ours)
        there.write_bytes(theirs)
        assert here.read_bytes() == ours
    until("sync", lambda: person.world.call("sync")[0] == 0)
    until("both versions here", lambda: contents(here.parent) == {theirs, ours})
    until("both versions there", lambda: contents(there.parent) == {theirs, ours})
    assert there.read_bytes() == theirs
    (copy,) = (name for name in os.listdir(here.parent) if name != "a")
    assert copy.startswith("a (conflict ")
    assert f"kept beside a file that was changed elsewhere: {copy}" in person.world.run("status")
    person.files["edited/a"], person.files[f"edited/{copy}"] = {theirs}, {ours}
    person.recover()


def contents(folder: os.PathLike[str]) -> set[bytes]:
    found = set()
    for entry in os.scandir(folder):
        with open(entry.path, "rb") as file:
            found.add(file.read())
    return found
