"""Whether a catalog is atomic on one document, found out by trying: everything about names rests on it.

Several threads do at once what kumofs does all day, on a document of their own: increments, of which none may be lost;
compare-and-swaps and inserts, of each round of which exactly one may win. An engine that reads and then writes fails.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Barrier

from kumofs.catalog.port import Engine
from kumofs.catalog.schema import COUNTERS
from kumofs.errors import Duplicate

THREADS = 4
INCREMENTS = 50
ROUNDS = 25
START_S = 60.0
"""How long the threads of a round wait for each other before the trial ends."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came out: increments and rounds that went wrong, of how many."""

    increments: int
    lost: int
    rounds: int
    unfair_swaps: int
    unfair_inserts: int

    @property
    def is_atomic(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.lost or self.unfair_swaps or self.unfair_inserts)

    def __str__(self) -> str:
        return (
            f"{self.lost} of {self.increments} increments were lost, and {self.unfair_swaps} of {self.rounds} compare-and-swaps "
            f"and {self.unfair_inserts} of {self.rounds} inserts did not have exactly one winner"
        )


def try_atomicity(engine: Engine, increments: int = INCREMENTS, rounds: int = ROUNDS) -> Trial:
    """Try it with `THREADS` threads, `increments` each; the documents are removed afterwards. CatalogUnavailable."""
    id = f"probe-{secrets.token_hex(8)}"
    names = [f"{id}-{number}" for number in range(rounds)]
    engine.insert(COUNTERS, {"_id": id, "next": 0, "round": 0})
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            winners(pool, partial(increment, engine, id, increments))
            doc = engine.get(COUNTERS, id) or {"next": 0}
            swaps = [winners(pool, partial(swap, engine, id, number)) for number in range(rounds)]
            inserts = [winners(pool, partial(insert, engine, name)) for name in names]
        finally:
            for each in (id, *names):
                engine.delete(COUNTERS, each)
    wanted = THREADS * increments
    return Trial(wanted, wanted - doc["next"], rounds, sum(n != 1 for n in swaps), sum(n != 1 for n in inserts))


def winners(pool: Executor, attempt: Callable[[], bool]) -> int:
    """How many threads succeed, of `THREADS` that begin at once. What one raises is raised."""
    start = Barrier(THREADS, timeout=START_S)

    def one() -> bool:
        start.wait()
        return attempt()

    return sum([future.result() for future in [pool.submit(one) for _ in range(THREADS)]])


def increment(engine: Engine, id: str, times: int) -> bool:
    """Increment over and over."""
    for _ in range(times):
        engine.update(COUNTERS, id, inc={"next": 1})
    return True


def swap(engine: Engine, id: str, number: int) -> bool:
    """One compare-and-swap from a round to the next; whether it was done."""
    return engine.update(COUNTERS, id, {"round": number}, {"round": number + 1}) is not None


def insert(engine: Engine, id: str) -> bool:
    """One insert of a document that may be there once; whether it was done."""
    try:
        engine.insert(COUNTERS, {"_id": id, "next": 0})
    except Duplicate:
        return False
    return True


def explanation(trial: Trial) -> str:
    """Why a catalog that is not atomic cannot be used, in one line."""
    return (
        f"this catalog is not atomic: tried with {THREADS} clients at once, {trial}. kumofs would lose files with it. "
        "Use MongoDB itself (a standalone server, a replica set, a sharded cluster) or SQLite"
    )
