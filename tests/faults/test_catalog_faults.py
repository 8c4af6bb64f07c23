"""The catalog fails while files are written, read and renamed: EIO in time, no name is lost or comes twice, and it comes back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.conftest import MONGODB
from tests.faults.conftest import Person, Proxy

DEADLINE_S = 5
FAULTS: dict[str, Callable[[Proxy], AbstractContextManager[None]]] = {
    "refused": lambda proxy: proxy.refuses(),
    "black hole": lambda proxy: proxy.toxic(("timeout", "upstream", {"timeout": 0})),
    "answers lost": lambda proxy: proxy.toxic(("timeout", "downstream", {"timeout": 0})),
    "reset": lambda proxy: proxy.toxic(("reset_peer", "downstream", {"timeout": 50})),
    "cut off in the answer": lambda proxy: proxy.toxic(("limit_data", "downstream", {"bytes": 1000})),
}


@pytest.mark.skipif(not MONGODB, reason="NOT RUN: faults of the catalog need a server, KUMOFS_TEST_MONGODB: make test-services")
@pytest.mark.parametrize("fault", FAULTS)
def test_while_the_catalog_fails(person: Person, catalog_proxy: Proxy, fault: str) -> None:
    with FAULTS[fault](catalog_proxy):
        person.work()
    print(person.errors)
    if not fault.startswith("cut off"):  # small answers pass there
        assert person.errors
    person.recover()
