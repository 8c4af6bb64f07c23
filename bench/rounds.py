"""The rounds: each workload on each side, in turns, each time with a fresh bucket, directory and mount."""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from bench.bounded import Failed, Stopped, reason
from bench.bucket import Bucket
from bench.material import ENTRY, entry_names
from bench.peers import Kind
from bench.relay import relay
from bench.results import Results
from bench.servers import Server
from bench.sides import is_mounted
from bench.sizes import Sizes
from bench.trial import Trial
from bench.workloads import Workload


@dataclass
class Rounds:
    """Everything that one run is made of; `run` adds to `results`."""

    base: Path
    """`material` is there; the sides get directories in it."""
    server: Server
    catalog: str | None
    """MongoDB's URL; None for SQLite."""
    sides: dict[str, Kind]
    workloads: list[Workload]
    sizes: Sizes
    limit_s: float
    results: Results
    console: Console

    def __post_init__(self) -> None:
        self._number = 0
        self._stopped: set[tuple[str, str]] = set()
        self._given_up: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._listed: dict[int, Bucket] = {}

    def run(self, rounds: int) -> None:
        """Who is first changes from round to round. A side that had to be stopped is not tried on that workload again."""
        names = list(self.sides)
        for number in range(rounds):
            first = number % len(names)
            for workload in self.workloads:
                for name in names[first:] + names[:first]:
                    if (workload.title, name) not in self._stopped:
                        began_s = time.monotonic()
                        self.one(workload, name)
                        took = f"{time.monotonic() - began_s:.0f} s"
                        self.console.print(f"round {number + 1} of {rounds}: {workload.title}: {name}: {took}", highlight=False)

    def one(self, workload: Workload, name: str) -> None:
        """One workload on one side. Whatever goes wrong is written down, and the run goes on."""
        self._number += 1
        place = self.base / f"{self._number:04}"
        place.mkdir()
        with ExitStack() as stack:
            stack.callback(remove, place)
            try:
                trial = self.prepare(workload, name, place, stack)
            except Exception as problem:
                self.note(workload, name, problem)
            else:
                self.measure(workload, name, trial)

    def prepare(self, workload: Workload, name: str, place: Path, stack: ExitStack) -> Trial:
        """A side that is not mounted yet, over a bucket that `stack` removes, or over the one that is only listed."""
        counting = stack.enter_context(relay(self.server.endpoint)) if workload.relayed else None
        server = replace(self.server, endpoint=counting.endpoint) if counting else self.server
        filled = workload.entries is not None and self.sides[name].adopts
        if workload.entries is not None and filled:
            bucket = self.listed(workload.entries(self.sizes))
        else:
            bucket = Bucket(server, f"bench-{self._number:04}")
            stack.callback(bucket.remove)
        side = self.sides[name].make(place, bucket, self.catalog)
        limit_s = self.limit_s if name.startswith("kumofs") else min(self.limit_s, workload.peers_limit_s or self.limit_s)
        given_up = self._given_up[workload.title, name]
        return Trial(side, bucket, self.base / "material", self.sizes, limit_s, relay=counting, filled=filled, given_up=given_up)

    def measure(self, workload: Workload, name: str, trial: Trial) -> None:
        side = trial.side
        done = False
        try:
            side.forget()
            side.mount()
            workload.run(trial)
            side.unmount()
            done = True
        except Stopped as problem:
            self._stopped.add((workload.title, name))
            self.note(workload, name, problem)
        except Exception as problem:
            self.note(workload, name, problem)
        finally:
            if not done:
                side.kill()
            self.results.add(workload.title, name, trial.samples)

    def note(self, workload: Workload, name: str, problem: Exception) -> None:
        words = str(problem) if isinstance(problem, (Stopped, Failed)) else reason(problem)
        line = f"{name}: {workload.title}: {words}"
        if line not in self.results.problems:
            self.results.problems.append(line)

    def listed(self, count: int) -> Bucket:
        """A bucket with so many small objects, which sides that take them for files share: they only list it."""
        if count not in self._listed:
            self._listed[count] = Bucket(self.server, f"bench-listed-{count}")
            self._listed[count].fill(entry_names(count), ENTRY)
        return self._listed[count]


def remove(place: Path) -> None:
    """Unless something is still mounted in it."""
    if not is_mounted(place / "drive"):
        shutil.rmtree(place, ignore_errors=True)
