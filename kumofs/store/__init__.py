"""The object store: the protocol, and its implementations behind `open_store`."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from kumofs.config import S3Settings, shown
from kumofs.errors import ConfigError
from kumofs.store.directory import DirectoryStore
from kumofs.store.protocol import Store

FORMS = "file:///absolute/path or s3://bucket/prefix"
"""The urls that are possible, for messages."""
NO_S3 = S3Settings()


def open_store(url: str, s3: S3Settings = NO_S3) -> Store:
    """The store of a url. ConfigError: the url is not one of those possible; StoreUnavailable: it cannot be used now."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigError(f"the store url {shown(url)!r} cannot be read: use {FORMS}") from None
    if parts.scheme == "s3":
        from kumofs.store.s3 import S3Store, parse_s3_url  # boto3 takes half a second to load: only who uses it waits

        return S3Store(parse_s3_url(url), s3)
    if parts.scheme != "file":
        raise ConfigError(f"the store url {shown(url)!r} has no scheme that is known: use {FORMS}")
    return DirectoryStore(file_path(url))


def file_path(url: str) -> Path:
    """The path of a file url, percent-decoded. ConfigError."""
    parts = urlsplit(url)
    path = os.fsdecode(unquote_to_bytes(parts.path))
    if parts.netloc not in ("", "localhost") or not path.startswith("/") or not path.strip("/") or "\0" in path:
        raise ConfigError(f"the store url {shown(url)!r} names no directory on this machine: use {FORMS}")
    if parts.query or parts.fragment:
        raise ConfigError(f"the store url {shown(url)!r} has a ? or # in it: write them as %3F and %23")
    return Path(path)
