"""Whether a bucket can be reached, read and written, in one look; and how far its server's clock is from ours."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from secrets import token_hex

from kumofs.config import S3Settings
from kumofs.errors import StoreUnavailable
from kumofs.store.s3_body import EMPTY
from kumofs.store.s3_client import make_client, make_session, parse_s3_url
from kumofs.store.s3_errors import s3_errors
from kumofs.store.s3_retry import Attempt
from kumofs.store.s3_signing import host_of
from kumofs.store.s3_wire import connections

LOOK_S = 5.0


def look(url: str, s3: S3Settings) -> str:
    """List the bucket, write an object and remove it; the region. ConfigError; StoreError says what is in the way."""
    bucket, client = parse_s3_url(url), make_client(s3, attempts=1)
    key = "/".join(filter(None, (bucket.prefix, ".kumofs", f"probe-{token_hex(8)}", "doctor")))
    with s3_errors(str(bucket)):
        client.list_objects_v2(Bucket=bucket.name, MaxKeys=1)
        written = client.put_object(Bucket=bucket.name, Key=key, Body=b"kumofs doctor was here")
        version = {"VersionId": written["VersionId"]} if "VersionId" in written else {}
        client.delete_object(Bucket=bucket.name, Key=key, **version)
        return str(client.meta.region_name)


def clock_skew_s(s3: S3Settings) -> float | None:
    """Seconds that the server's clock is ahead of ours, to about one; None where it does not tell. StoreUnavailable."""
    session = make_session(s3)
    url = make_client(s3, session=session).meta.endpoint_url
    server = connections(url, session)
    try:
        before = time.time()
        attempt = Attempt(time.monotonic() + LOOK_S)
        answer = server.exchange("HEAD", "/", headers={"Host": host_of(url)}, body=EMPTY, attempt=attempt, read_s=LOOK_S)
        now = (before + time.time()) / 2
    except (OSError, StoreUnavailable) as problem:
        raise StoreUnavailable(f"the store {url} does not answer ({type(problem).__name__}): check the endpoint") from problem
    finally:
        server.close()
    try:
        told = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return None
    return told + 0.5 - now
