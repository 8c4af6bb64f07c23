"""The stores that the conformance suite runs over: one more parameter here is one more store under every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kumofs.store.directory import DirectoryStore
from kumofs.store.protocol import Store


@pytest.fixture(params=["directory-xattrs", "directory-sidecar"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    opened = DirectoryStore(tmp_path / "store", xattrs=request.param == "directory-xattrs")
    yield opened
    opened.close()
