"""The workloads themselves, on a plain directory that is its own bucket."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from bench import trial as trial_module
from bench.bounded import Failed, Stopped, bounded
from bench.bucket import Bucket, Objects
from bench.material import make_material
from bench.relay import relay
from bench.sizes import Sizes
from bench.trial import Trial
from bench.workloads import WORKLOADS

LITTLE = Sizes("test", files=6, big_bytes=2 << 20, listed=5, entries=7, reads=5, tree_files=4)


class Directory:
    """A side that keeps its files where the bucket looks."""

    plain = True

    def __init__(self, top: Path) -> None:
        self.top = top
        self.mounts = self.forgotten = 0

    @property
    def pid(self) -> int:
        return os.getpid()

    def mount(self) -> None:
        self.mounts += 1

    def unmount(self) -> None:
        pass

    def forget(self) -> None:
        self.forgotten += 1

    def kill(self) -> None:
        raise AssertionError("nothing hangs here")


class Files(Bucket):
    """The files of a directory as objects."""

    def __init__(self, top: Path) -> None:
        self.top = top

    def objects(self) -> Objects:
        found = [path for path in self.top.rglob("*") if path.is_file()]
        return {
            str(path.relative_to(self.top)): (path.stat().st_size, hashlib.md5(path.read_bytes()).hexdigest()) for path in found
        }


class Counted:
    """A relay over which nothing goes."""

    def count(self) -> Any:
        from bench.relay import Wire

        return Wire(0, 0)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("material")
    make_material(base, LITTLE)
    return base


@pytest.fixture
def trial(tmp_path: Path, material: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    monkeypatch.setattr(trial_module, "empty_kernel_cache", lambda: None)
    return Trial(Directory(tmp_path), Files(tmp_path), material, LITTLE, limit_s=60, relay=Counted())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_step_of_a_workload_has_a_number_on_a_plain_directory(name: str, trial: Trial) -> None:
    if name == "tree" and not shutil.which("git"):
        pytest.skip("git is not installed")
    WORKLOADS[name].run(trial)
    assert trial.samples
    assert all(isinstance(sample, float) and sample >= 0 for sample in trial.samples.values()), trial.samples
    assert not trial.given_up


def test_durable_is_counted_from_the_beginning_and_never_before_closed(trial: Trial) -> None:
    WORKLOADS["small"].run(trial)
    assert trial.samples["copy in: durable"] >= trial.samples["copy in: closed"] > 0  # type: ignore[operator]
    assert isinstance(trial.side, Directory)
    assert trial.side.mounts == trial.side.forgotten == 1  # what is cold is mounted anew, with an empty cache


def test_what_never_reaches_the_bucket_is_shown_as_slower_than_the_limit(trial: Trial) -> None:
    trial.limit_s = 0.3
    taken = trial.time("write", lambda: (trial.side.top / "file").write_bytes(b"abc"))
    trial.durable("durable", [4], taken)
    assert trial.samples["durable"] == "> 0.3 s"
    trial.limit_s = 600
    trial.durable("durable", [4], taken)  # not waited for again
    assert trial.given_up == {"durable"}


def test_a_step_that_is_too_slow_is_killed_and_one_that_fails_says_why(trial: Trial) -> None:
    trial.limit_s = 0.3
    with pytest.raises(Stopped):
        trial.time("slow", lambda: time.sleep(600))
    assert trial.samples["slow"] == "> 0.3 s"
    trial.limit_s = 60
    with pytest.raises(Failed, match="No such file or directory"):
        trial.time("missing", lambda: (trial.side.top / "nowhere").read_bytes())
    assert trial.samples["missing"] == "No such file or directory"
    with pytest.raises(Failed, match="No such file or directory"):
        trial.time("program", lambda: trial_module.run("ls", trial.side.top / "nowhere"))


def test_a_killed_action_takes_what_it_started_with_it(tmp_path: Path) -> None:
    started = tmp_path / "pid"
    script = f"echo $$ > {started}.new && mv {started}.new {started} && exec sleep 600"
    for limit_s in (1, 5, 60):  # a slow machine may not have started it sooner
        with pytest.raises(Stopped):
            bounded(lambda: trial_module.run("sh", "-c", script), limit_s, lambda: None)
        if started.exists():
            break
    deadline_s = time.monotonic() + 30
    while alive(int(started.read_text())):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_relay_counts_the_bytes_of_both_ways() -> None:
    import socket
    from threading import Thread

    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                received = b""
                while chunk := connection.recv(65536):
                    received += chunk
                connection.sendall(b"x" * (2 * len(received)))

        thread = Thread(target=answer, daemon=True)
        thread.start()
        with relay(f"http://127.0.0.1:{server.getsockname()[1]}") as counting:
            with socket.create_connection(("127.0.0.1", int(counting.endpoint.rpartition(":")[2])), timeout=60) as client:
                client.sendall(b"y" * 100_000)
                client.shutdown(socket.SHUT_WR)
                total = 0
                while chunk := client.recv(65536):
                    total += len(chunk)
            assert total == 200_000
            assert counting.count() == (100_000, 200_000)
        thread.join(timeout=30)
