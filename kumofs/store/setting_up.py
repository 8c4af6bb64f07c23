"""Setting up a store of any kind, and trying what it can do."""

from __future__ import annotations

from dataclasses import fields

from kumofs.config import S3Settings
from kumofs.store.protocol import Capabilities
from kumofs.store.steps import Outcome, Step


def set_up_store(url: str, s3: S3Settings) -> list[Step]:
    """Make of the store what kumofs wants it to be; as often as one likes. ConfigError; StoreError where it cannot be used."""
    if url.startswith("s3:"):
        from kumofs.store.s3_setup import set_up_bucket  # boto3 takes 0.3 s to import: only where it is used

        return set_up_bucket(url, s3)
    from kumofs.store import file_path, open_store

    found = file_path(url).is_dir()
    open_store(url, s3).close()
    return [Step("store", Outcome.FOUND if found else Outcome.DONE, str(file_path(url)))]


def survey(url: str, s3: S3Settings) -> Capabilities:
    """What the store can do now, tried afresh: what is on record may be of before the set-up. ConfigError, StoreError."""
    if url.startswith("s3:"):
        from kumofs.store.s3 import S3Store, parse_s3_url
        from kumofs.store.s3_capabilities import Features

        bucket = S3Store(parse_s3_url(url), s3, Features(*[False] * len(fields(Features))))
        try:
            return bucket.probe().capabilities
        finally:
            bucket.close()
    from kumofs.store import open_store

    store = open_store(url, s3)
    try:
        return store.capabilities
    finally:
        store.close()
