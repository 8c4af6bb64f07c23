"""Where an S3 store is: its url, and the boto3 client that asks it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
from botocore.config import Config

from kumofs.config import S3Settings, shown
from kumofs.errors import ConfigError
from kumofs.store.s3_credentials import REFUSALS, Chain, renewed
from kumofs.store.s3_errors import answer_in, error_of, s3_errors

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 15.0
CONNECTIONS_MAX = 64
BUCKET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
REGION_WHERE_NONE_IS_NAMED = "us-east-1"
"""What S3-compatible servers expect in a signature; AWS itself answers with the bucket's region where it is another."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where the objects are: a bucket, and the first components of every key in it ('' for none)."""

    name: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")


def parse_s3_url(url: str) -> Bucket:
    """The bucket of `s3://bucket/prefix`; the prefix is percent-decoded. ConfigError, which repeats no password."""
    if ":" in url.partition("://")[2].partition("/")[0]:  # key:secret, of which the secret may have a / in it
        raise ConfigError("no bucket has a : in its name: credentials belong into ~/.aws/credentials, a port into `endpoint`")
    try:
        parts = urlsplit(url)
        prefix = unquote(parts.path, errors="strict").strip("/")
    except ValueError:
        raise ConfigError(f"the store url {shown(url)!r} cannot be read: use s3://bucket/prefix") from None
    if parts.scheme != "s3" or not BUCKET_NAME.fullmatch(parts.netloc):
        raise ConfigError(f"the store url {url!r} names no bucket: use s3://bucket/prefix")
    if parts.query or parts.fragment:
        raise ConfigError(f"the store url {url!r} has a ? or # in it: write them as %3F and %23")
    if prefix and (not prefix.isprintable() or {"", ".", "..", ".kumofs"} & set(prefix.split("/"))):
        raise ConfigError(f"the prefix of the store url {url!r} has a part that no key can have: use plain names")
    return Bucket(parts.netloc, prefix)


def make_session(s3: S3Settings) -> Any:
    """A boto3 session: who asks, and in which region. ConfigError for an unknown profile.

    Credentials come by boto3's chain, and again where the server refuses them (`s3_credentials`).
    """

    def look() -> Any:
        with s3_errors("the S3 settings"):
            return boto3.Session(profile_name=s3.profile, region_name=s3.region).get_credentials()

    with s3_errors("the S3 settings"):
        session = boto3.Session(profile_name=s3.profile, region_name=s3.region)
    session._session.register_component("credential_provider", Chain(look))
    return session


def make_client(s3: S3Settings, attempts: int = 3, session: Any = None) -> Any:
    """A boto3 client for S3, thread-safe; `attempts` is how often botocore itself asks at most. ConfigError.

    Credentials come by boto3's chain (environment, profile, container, instance), and are looked for at the first request.
    """
    check_endpoint(s3.endpoint)
    session = session or make_session(s3)
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if s3.endpoint else "auto"},
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=CONNECTIONS_MAX,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    with s3_errors("the S3 settings"):
        region = session.region_name or REGION_WHERE_NONE_IS_NAMED
        client = session.client("s3", region_name=region, endpoint_url=s3.endpoint, config=config)
    client.meta.events.register_first("needs-retry.s3", again_with(session.get_credentials()))
    return client


def again_with(credentials: Any) -> Callable[..., float | None]:
    """botocore's question whether to ask again: yes, at once, where there are other credentials than those that were refused."""

    def needs_retry(response: Any, attempts: int, **_: Any) -> float | None:
        if response is None or attempts > 1 or credentials is None:
            return None
        problem = error_of(answer_in(response[1]), "")
        return 0 if isinstance(problem, REFUSALS) and renewed(credentials, credentials.get_frozen_credentials()) else None

    return needs_retry


def check_endpoint(endpoint: str | None) -> None:
    """ConfigError unless it is the plain address of a server (None: AWS's own)."""
    if endpoint is None:
        return
    try:
        parts = urlsplit(endpoint)
        found = parts.hostname and parts.scheme in ("http", "https") and (parts.port is None or parts.port > 0)
    except ValueError:
        found = False
    if not found or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigError("the S3 endpoint is no address of a server: use https://host or http://host:port")
    if "@" in parts.netloc:
        raise ConfigError("the S3 endpoint has a user or password in it: put credentials into ~/.aws/credentials")
