"""Setting up a store of any kind."""

from __future__ import annotations

from kumofs.config import S3Settings
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
