"""A store that is slow, or asks to be left alone for a moment, is waited for: no program sees an error."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tests.faults.conftest import Person, Proxy

DEADLINE_S = 60
SLOW = {"latency": {"latency": 200, "jitter": 100}, "bandwidth": {"rate": 2000}}


def test_a_slow_store_is_slow_and_nothing_else(person: Person, store_proxy: Proxy) -> None:
    with store_proxy.toxic(*((kind, stream, how) for stream in ("upstream", "downstream") for kind, how in SLOW.items())):
        person.work()
        person.world.run("sync")
    assert not person.errors
    person.recover()


def test_a_short_throttling_is_not_noticed(person: Person, store_proxy: Proxy) -> None:
    with ThreadPoolExecutor(1) as threads:
        with store_proxy.answers(503, "SlowDown"):
            work = threads.submit(person.work)
            time.sleep(2)
        work.result()
    assert not person.errors
    person.recover()
