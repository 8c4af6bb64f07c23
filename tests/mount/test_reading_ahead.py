"""Small files that are read in order are fetched ahead, and what is read is what is there when it is opened.

The store is the S3 server that KUMOFS_TEST_S3 names, else moto; a gate before it notes the files that are asked for, and keeps
the questions waiting while it is closed.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from moto.server import ThreadedMotoServer

from kumofs.fs.trail import FIRST_FILES
from tests.conftest import BUCKET, S3, World, needs_fuse
from tests.together.conftest import OtherMachine

FILES = 24
STILL, CHANGING = "gallery/still", "gallery/changing"
NAMES = [f"img{place:02}" for place in range(FILES)]
BODIES = {name: name.encode() * (50 * place + 1) for place, name in enumerate(NAMES)}
SOME = NAMES[: FIRST_FILES + 2]
PATIENCE_S = 60.0
QUESTION = re.compile(rb"^GET [^ ]*(/gallery/\w+/(\S*)|list-type=2\S*) HTTP")
"""Not HEAD: versitygw is asked once more whether what was written just now still was that (docs/decisions/0002-s3.md)."""


@dataclass
class Gate:
    """Listens, and hands everything on to a server; `asked` are the files that were asked for, in order, and listings as ''."""

    upstream: tuple[str, int]
    asked: list[str] = field(default_factory=list)
    opened: threading.Event = field(default_factory=threading.Event)
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=128))

    def __post_init__(self) -> None:
        self.opened.set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    @contextmanager
    def closed(self) -> Iterator[None]:
        self.opened.clear()
        try:
            yield
        finally:
            self.opened.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self.listener.accept()
                there = socket.create_connection(self.upstream)
                for work in ((self._ask, here, there), (self._carry, there, here)):
                    threading.Thread(target=work[0], args=work[1:], daemon=True).start()

    def _ask(self, here: socket.socket, there: socket.socket) -> None:
        self._carry(here, there, self._note)

    def _note(self, block: bytes) -> None:
        if found := QUESTION.match(block):  # a client that reuses a connection waits for the answer: a question begins a block
            self.asked.append((found[2] or b"").decode())
            self.opened.wait(PATIENCE_S)

    @staticmethod
    def _carry(source: socket.socket, target: socket.socket, note: Callable[[bytes], None] = lambda _: None) -> None:
        with suppress(OSError):
            while block := source.recv(1 << 16):
                note(block)
                target.sendall(block)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class GatedWorld(World):
    """A world whose store is behind a gate."""

    def __init__(self, base: Path, gate: Gate) -> None:
        super().__init__(base)
        lines = [line for line in self.config_file.read_text().splitlines() if not line.startswith("endpoint")]
        if not S3:
            lines += [f'store = "s3://{BUCKET}/drive"', 'region = "us-east-1"']
        self.config_file.write_text("\n".join([*lines, f'endpoint = "{gate.url}"', ""]))


@dataclass(frozen=True)
class Gallery:
    """Two folders of files, which lie in the store; `cold` mounts it, nothing of it being anywhere but there."""

    world: World
    other: OtherMachine
    gate: Gate

    def cold(self) -> Path:
        if os.path.ismount(self.world.base / "drive"):
            self.world.umount()
        shutil.rmtree(self.world.base / "cache")
        (self.world.base / "cache").mkdir(mode=0o700)
        drive = self.world.mount()
        self.gate.asked.clear()
        return drive

    def wait_for(self, files: int) -> None:
        """Until so many were asked for."""
        began = time.monotonic()
        while len(self.gate.asked) < files:
            assert time.monotonic() - began < PATIENCE_S, f"only {self.gate.asked} were asked for"
            time.sleep(0.02)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if S3:
        if urlsplit(S3).scheme != "http":
            pytest.skip("NOT RUN: a server of https cannot be reached by the address of a gate")
        yield S3
        return
    credentials = tmp_path_factory.mktemp("aws") / "credentials"
    credentials.write_text("[default]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
        moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        moto.start()
        host, port = moto.get_host_and_port()
        boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1").create_bucket(Bucket=BUCKET)
        yield f"http://{host}:{port}"
        moto.stop()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, server: str) -> Iterator[Gallery]:
    needs_fuse()
    base = tmp_path_factory.mktemp("gallery")
    for name in ("here", "there"):
        (base / name).mkdir()
    parts = urlsplit(server)
    gate = Gate((socket.gethostbyname(str(parts.hostname)), parts.port or 80))
    here = GatedWorld(base / "here", gate)
    there = OtherMachine(base / "there", here)
    here.signup()
    try:
        drive = here.mount()
        for folder, names in ((STILL, NAMES), (CHANGING, SOME)):
            (drive / folder).mkdir(parents=True)
            for name in names:
                (drive / folder / name).write_bytes(BODIES[name])
        here.upload()
        there.mount("drive", "--write-through")
        yield Gallery(here, there, gate)
        for world in (here, there):
            world.umount()
            assert "Traceback" not in world.log(), world.log()
    finally:
        there.close()
        here.close()
        gate.listener.close()


@pytest.fixture
def gallery(filled: Gallery) -> Iterator[Gallery]:
    yield filled
    for world in (filled.world, filled.other):
        print(f"--- log of {world.base.name}\n{world.log()[-4000:]}")


def test_names_and_attributes_ask_the_store_nothing(gallery: Gallery) -> None:
    folder = gallery.cold() / STILL
    assert {path.name: path.stat().st_size for path in folder.iterdir()} == {name: len(body) for name, body in BODIES.items()}
    assert gallery.gate.asked == []


def test_files_read_in_order_are_asked_for_once(gallery: Gallery) -> None:
    folder = gallery.cold() / STILL
    assert {name: (folder / name).read_bytes() for name in NAMES} == BODIES
    assert sorted(gallery.gate.asked) == NAMES


def test_and_they_are_asked_for_together(gallery: Gallery) -> None:
    folder = gallery.cold() / STILL
    begun = {name: (folder / name).read_bytes() for name in NAMES[:2]}
    gallery.wait_for(2 + FIRST_FILES)
    with ThreadPoolExecutor(1) as threads, gallery.gate.closed():
        rest = threads.submit(lambda: {name: (folder / name).read_bytes() for name in NAMES[2:]})
        gallery.wait_for(FILES)  # all of them, while the reader waits for the first
        gallery.gate.opened.set()
        assert begun | rest.result(PATIENCE_S) == BODIES
    assert set(gallery.gate.asked) == set(NAMES)


def test_files_read_here_and_there_are_asked_for_one_by_one(gallery: Gallery) -> None:
    folder = gallery.cold() / STILL
    some = [NAMES[place * 17 % FILES] for place in range(FILES // 2)]
    for name in some:
        assert (folder / name).read_bytes() == BODIES[name]
    time.sleep(0.5)  # for what should not come
    assert gallery.gate.asked == some


def test_what_changed_after_it_was_fetched_is_read_as_it_is_now(gallery: Gallery) -> None:
    folder, other = gallery.cold() / CHANGING, gallery.other.base / "drive" / CHANGING
    wanted = {name: BODIES[name] for name in SOME}
    for name in SOME[:2]:
        assert (folder / name).read_bytes() == wanted.pop(name)
    gallery.wait_for(len(SOME))
    there, here, renamed, removed, replaced = SOME[3:8]
    for name, place in ((there, other), (here, folder)):
        wanted[name] = b"!" * len(wanted[name])
        (place / name).write_bytes(wanted[name])
    wanted["moved"] = wanted.pop(renamed)
    (folder / renamed).rename(folder / "moved")
    del wanted[removed]
    (folder / removed).unlink()
    wanted[replaced] = b"new"
    (other / "draft").write_bytes(b"new")
    (other / "draft").rename(other / replaced)
    assert {name: (folder / name).read_bytes() for name in sorted(wanted)} == wanted
    for name in (renamed, removed):
        with pytest.raises(FileNotFoundError):
            (folder / name).read_bytes()
