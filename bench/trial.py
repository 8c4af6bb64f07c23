"""One workload on one side in one round: its steps are timed, and what came of each is kept."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.bounded import Failed, Stopped, Taken, bounded
from bench.bucket import Bucket, Objects, holds
from bench.material import ENTRY, entry_names
from bench.process import cpu_s
from bench.relay import Relay
from bench.sides import Side
from bench.sizes import Sizes

FILL_THREADS = 32
FILLED_PER_S = 25
"""So slow may files be made that are only there to be listed."""
Sample = float | str
"""A measured number; or why there is none."""


class Trial:
    """What a workload works with. `samples`: by step, in the step's unit: seconds, where its name says no other."""

    def __init__(
        self,
        side: Side,
        bucket: Bucket,
        material: Path,
        sizes: Sizes,
        limit_s: float,
        *,
        relay: Relay | None = None,
        filled: bool = False,
        given_up: set[str] | None = None,
    ) -> None:
        self.side, self.bucket, self.material, self.sizes = side, bucket, material, sizes
        self.limit_s = limit_s
        self.samples: dict[str, Sample] = {}
        self.given_up: set[str] = set() if given_up is None else given_up
        """Steps after which the bucket never became as it should, in this round or an earlier one: not waited for again."""
        self._relay, self._filled = relay, filled

    def time(self, step: str, action: Callable[[], object]) -> Taken:
        """Do it and keep its seconds. Raises Stopped where it takes longer than the limit, and Failed."""
        try:
            taken = bounded(action, self.limit_s, self.side.kill)
        except (Stopped, Failed) as problem:
            self.samples[step] = str(problem)
            raise
        self.samples[step] = taken.seconds
        return taken

    def look(self, action: Callable[[], object]) -> Any:
        """What it returns, untimed. Raises Stopped, Failed."""
        return bounded(action, self.limit_s, self.side.kill).value

    def wait(self, step: str, check: Callable[[Objects], bool], since: Taken) -> None:
        """Until the bucket is so, counted from the beginning of `since`."""
        if step not in self.given_up:
            seconds = self.bucket.wait(check, since.began_s, self.limit_s)
            if not math.isinf(seconds):
                self.samples[step] = seconds
                return
            self.given_up.add(step)
        self.samples[step] = f"> {self.limit_s:g} s"

    def durable(self, step: str, sizes: list[int], since: Taken) -> None:
        """Until the bucket holds files of these sizes, bytes, and no others."""
        self.wait(step, holds(sizes, self.side.plain), since)

    @contextmanager
    def cpu(self, step: str, units: float) -> Iterator[None]:
        """The daemon's CPU seconds meanwhile, for each of so many units."""
        before_s = cpu_s(self.side.pid)
        yield
        self.samples[step] = (cpu_s(self.side.pid) - before_s) / units

    @contextmanager
    def wire(self, step: str) -> Iterator[None]:
        """MiB to and from the S3 server meanwhile."""
        assert self._relay is not None
        before = self._relay.count()
        yield
        after = self._relay.count()
        self.samples[f"{step}: sent, MiB"] = (after.sent - before.sent) / (1 << 20)
        self.samples[f"{step}: received, MiB"] = (after.received - before.received) / (1 << 20)

    def cold(self) -> None:
        """A fresh mount, no cache on disk, and nothing in the kernel's memory."""
        self.side.unmount()
        self.side.forget()
        empty_kernel_cache()
        self.side.mount()

    def make_entries(self, count: int) -> None:
        """Have so many files that are only listed: made through the mount, unless objects that somebody else put are files to
        the side and the bucket was filled with them. It is cold then. Raises Stopped, Failed."""
        if not self._filled:
            limit_s = self.limit_s + count / FILLED_PER_S
            made = bounded(lambda: write_entries(self.side.top, count), limit_s, self.side.kill)
            if math.isinf(self.bucket.wait(holds([len(ENTRY)] * count, self.side.plain), made.began_s, limit_s)):
                raise Stopped(f"the files that are to be listed were not in the bucket after {limit_s:g} s")
        self.cold()


def empty_kernel_cache() -> None:
    """Needs root."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


def write_entries(top: Path, count: int) -> None:
    names = list(entry_names(count))
    for folder in sorted({name.partition("/")[0] for name in names}):
        (top / folder).mkdir()
    with ThreadPoolExecutor(FILL_THREADS) as pool:
        list(pool.map(lambda name: (top / name).write_bytes(ENTRY), names))


def run(*command: str | Path, **environ: str) -> None:
    """A program that has to succeed; what it prints is thrown away, its errors are kept for the report."""
    subprocess.run(
        [str(word) for word in command],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environ},
    )
