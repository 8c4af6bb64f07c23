"""The metadata engine and the rules about names that run on it; the only room that imports pymongo or sqlite3.

Read `port` (what an engine is asked), `schema` (what it holds), `claims` (how a name changes), then the verbs: `create`,
`link`, `unlink`, `rmdir`, `rename`. `inodes` reads; `contents` is where a file's bytes are recorded.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from kumofs.catalog.port import Engine
from kumofs.errors import ConfigError


def open_engine(url: str) -> Engine:
    """The engine of `sqlite:///path` or `mongodb://host/database`. ConfigError, CatalogUnavailable."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite" and not parts.netloc and parts.path.startswith("/"):
        from kumofs.catalog.sqlite import SqliteEngine

        return SqliteEngine(Path(unquote(parts.path)))
    if parts.scheme in ("mongodb", "mongodb+srv"):
        from kumofs.catalog.mongo import open_mongo  # pymongo takes 0.2 s to import: only where it is used

        return open_mongo(url)
    raise ConfigError("the catalog must be sqlite:///absolute/path or mongodb://host/database")
