"""What `kumofs init` makes, and what it refuses."""

from __future__ import annotations

import dataclasses
import time

import pytest

from kumofs.catalog.sqlite import SqliteEngine
from kumofs.cli import init
from kumofs.config import load_settings
from kumofs.errors import ConfigError
from kumofs.store.protocol import Capabilities


@pytest.mark.sqlite_catalog
@pytest.mark.directory_store
def test_the_embedded_pair(world) -> None:
    first = world.run("init", "--yes")
    assert "atomic" in first
    assert str(world.base / "data/kumofs/store") in first
    for path in ("data/kumofs", "state/kumofs", "run/kumofs", "config/kumofs"):
        assert (world.base / path).stat().st_mode & 0o077 == 0
    second = world.run("init")
    assert " done" not in second, "what is there is left alone"
    world.signup()
    assert world.run("whoami") == "ada@example.org\n"


def test_flags_are_repeated_as_lines_for_the_settings(world) -> None:
    said = world.run("--store", f"file://{world.base}/data/elsewhere", "init", "--yes")
    assert f'store = "file://{world.base}/data/elsewhere"' in said


class ReadThenWrite(SqliteEngine):
    """Finds a document, and writes it a moment later."""

    def update(self, collection, id, where=None, set=None, unset=(), inc=None, stamp=()):
        doc = self.get(collection, id)
        if doc is None or any(doc.get(field) != value for field, value in (where or {}).items()):
            return None
        time.sleep(0.001)
        return super().update(collection, id, set={**(set or {}), **{name: doc[name] + by for name, by in (inc or {}).items()}})


def test_a_catalog_that_is_not_atomic_is_refused(world, monkeypatch: pytest.MonkeyPatch) -> None:
    found = load_settings(world.environ)
    found.data_dir.mkdir(exist_ok=True)
    monkeypatch.setattr(init, "open_engine", lambda url: ReadThenWrite(found.data_dir / "catalog.db"))
    with pytest.raises(ConfigError, match=r"not atomic.*increments were lost.*Use MongoDB itself"):
        init.catalog(found)


def test_a_password_in_a_url_is_not_shown(world) -> None:
    path = world.base / "config/kumofs/config.toml"
    path.write_text('catalog = "mongodb://ada:hush-hush@127.0.0.1:1/kumofs"\n')
    path.chmod(0o600)
    said = world.run("init", "--yes", status=14)
    assert "mongodb://…@127.0.0.1:1/kumofs" in said
    assert "hush-hush" not in said


def test_every_capability_has_its_words() -> None:
    assert {field.name for field in dataclasses.fields(Capabilities) if field.type == "bool"} <= set(init.ABILITIES)
