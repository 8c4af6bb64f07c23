"""What most commands begin with: the settings, the catalog, the session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from kumofs.accounts.sessions import check_session
from kumofs.accounts.token_file import read_token
from kumofs.accounts.users import User
from kumofs.catalog import open_engine
from kumofs.catalog.port import Engine
from kumofs.config import Settings, load_settings, make_private_dir


def settings() -> Settings:
    """The settings of this environment."""
    return load_settings(os.environ)


@contextmanager
def opened_catalog(found: Settings) -> Iterator[Engine]:
    """The catalog, closed at the end."""
    make_private_dir(found.data_dir)
    engine = open_engine(found.catalog)
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def signed_in() -> Iterator[tuple[Settings, Engine, User]]:
    """Settings, catalog and user of the session on this machine. NotSignedIn, SessionEnded."""
    found = settings()
    token = read_token(found.config_dir)
    with opened_catalog(found) as engine:
        yield found, engine, check_session(engine, token)
