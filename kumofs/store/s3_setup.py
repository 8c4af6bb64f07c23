"""Setting up a bucket: made where it is missing, closed to the public, versioned, and cleaned of abandoned uploads.

Each step looks first and changes only what is missing, so it can be run as often as one likes. A step that the server does
not have, or that the credentials may not do, is told and does not end the rest; a bucket that cannot be reached does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from http import HTTPStatus
from secrets import token_hex
from typing import Any

from botocore.exceptions import ClientError

from kumofs.config import S3Settings
from kumofs.errors import NoSuchBucket, StoreError, StoreRefused
from kumofs.store.s3_client import Bucket, make_client, parse_s3_url
from kumofs.store.s3_errors import answer_of, s3_errors
from kumofs.store.s3_listing import versions
from kumofs.store.steps import Outcome, Step

ABORT_DAYS = 7
RULE_ID = "kumofs-abort-incomplete-uploads"
CLOSED = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
NOT_OFFERED_CODES = {"NotImplemented", "MethodNotAllowed", "NotSupported", "UnsupportedOperation"}
RULE_REFUSED_CODES = {"InvalidArgument", "MalformedXML", "InvalidRequest"}
NOT_OFFERED_STATUS = {405, 501}
AWS = ".amazonaws.com"
FIRST_REGION = "us-east-1"
"""The region whose name CreateBucket does not take."""


def set_up_bucket(url: str, s3: S3Settings) -> list[Step]:
    """Do the steps; what came of each. ConfigError; StoreError where the bucket is not there and cannot be made."""
    bucket, client = parse_s3_url(url), make_client(s3)
    made = ensure_bucket(client, bucket)
    return [
        made,
        tried("public access blocked", bucket, lambda: block_public_access(client, bucket)),
        tried("versions kept", bucket, lambda: keep_versions(client, bucket)),
        tried("abandoned uploads removed", bucket, lambda: abort_incomplete_uploads(client, bucket)),
    ]


def tried(name: str, bucket: Bucket, step: Callable[[], tuple[Outcome, str]]) -> Step:
    """One step, and what came of it."""
    try:
        with s3_errors(str(bucket)):
            return Step(name, *step())
    except StoreError as problem:
        if is_not_offered(problem.__cause__):
            return Step(name, Outcome.NOT_OFFERED, "this server does not have it")
        return Step(name, Outcome.FAILED, str(problem))


def is_not_offered(problem: BaseException | None) -> bool:
    """Whether a server says that it does not know this request at all."""
    if not isinstance(problem, ClientError):
        return False
    answer = answer_of(problem)
    return answer.code in NOT_OFFERED_CODES or answer.status in NOT_OFFERED_STATUS


def ensure_bucket(client: Any, bucket: Bucket) -> Step:
    """Find the bucket, or make it. StoreError."""
    name = f"bucket {bucket.name}"
    with s3_errors(str(bucket)):
        try:
            with s3_errors(str(bucket)):
                client.list_objects_v2(Bucket=bucket.name, MaxKeys=1)  # head_bucket's 404 would not say what is missing
        except NoSuchBucket:
            make_bucket(client, bucket)
            return Step(name, Outcome.DONE, "made")
    return Step(name, Outcome.FOUND, "")


def make_bucket(client: Any, bucket: Bucket) -> None:
    """Make the bucket, in the region of the client. StoreRefused where somebody else has the name."""
    region = client.meta.region_name
    where = {} if region == FIRST_REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        client.create_bucket(Bucket=bucket.name, **where)
    except ClientError as problem:
        code = answer_of(problem).code
        if code == "BucketAlreadyExists":
            raise StoreRefused(f"the name {bucket.name} is taken by somebody else: choose another") from problem
        if code != "BucketAlreadyOwnedByYou":
            raise


def block_public_access(client: Any, bucket: Bucket) -> tuple[Outcome, str]:
    """Nothing in the bucket can be made public, whatever a policy or an ACL says."""
    try:
        found = client.get_public_access_block(Bucket=bucket.name)["PublicAccessBlockConfiguration"]
    except ClientError as problem:
        if answer_of(problem).code != "NoSuchPublicAccessBlockConfiguration":
            raise
        found = {}
    if all(found.get(name) for name in CLOSED):
        return Outcome.FOUND, ""
    client.put_public_access_block(Bucket=bucket.name, PublicAccessBlockConfiguration=CLOSED)
    return Outcome.DONE, ""


def keep_versions(client: Any, bucket: Bucket) -> tuple[Outcome, str]:
    """What is overwritten or deleted stays as an earlier version, unless new objects would be refused where one was deleted."""
    if client.get_bucket_versioning(Bucket=bucket.name).get("Status") == "Enabled":
        return Outcome.FOUND, ""
    if AWS not in client.meta.endpoint_url and refuses_what_was_deleted(client):
        return Outcome.NOT_OFFERED, "not turned on: with versions this server refuses a new object where one was deleted"
    client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    if client.get_bucket_versioning(Bucket=bucket.name).get("Status") != "Enabled":
        return Outcome.NOT_OFFERED, "this server took the request, and keeps no versions"
    return Outcome.DONE, ""


def refuses_what_was_deleted(client: Any) -> bool:
    """Whether a put where nothing may be fails on a mark of deletion (versitygw does so); tried in a bucket of its own.

    False also where no such bucket can be made.
    """
    trial = f"kumofs-trial-{token_hex(8)}"
    try:
        client.create_bucket(Bucket=trial)
    except ClientError:
        return False
    try:
        client.put_bucket_versioning(Bucket=trial, VersioningConfiguration={"Status": "Enabled"})
        client.put_object(Bucket=trial, Key="a", Body=b"a")
        client.delete_object(Bucket=trial, Key="a")
        client.put_object(Bucket=trial, Key="a", Body=b"a", IfNoneMatch="*")
    except ClientError as problem:
        return answer_of(problem).status == HTTPStatus.PRECONDITION_FAILED
    finally:
        remove_bucket(client, trial)
    return False


def remove_bucket(client: Any, name: str) -> None:
    """Remove a small bucket with all versions of what is in it; it is left where that is refused."""
    with suppress(ClientError, StoreError):
        for key, version in list(versions(client, name, "")):
            client.delete_object(Bucket=name, Key=key, VersionId=version)
        client.delete_bucket(Bucket=name)


def abort_incomplete_uploads(client: Any, bucket: Bucket) -> tuple[Outcome, str]:
    """Parts of uploads that nobody finishes are removed; every other rule of the bucket stays as it is."""
    try:
        answer = client.get_bucket_lifecycle_configuration(Bucket=bucket.name)
    except ClientError as problem:
        if answer_of(problem).code != "NoSuchLifecycleConfiguration":
            raise
        answer = {}
    rules = answer.get("Rules", [])
    if any(covers(rule, prefix_of(bucket)) for rule in rules):
        return Outcome.FOUND, ""
    kept = [rule for rule in rules if rule.get("ID") != rule_id(bucket)]
    size = {name: answer[name] for name in ("TransitionDefaultMinimumObjectSize",) if name in answer}
    wanted = {"Rules": [*kept, our_rule(bucket, kept)]}
    try:
        client.put_bucket_lifecycle_configuration(Bucket=bucket.name, LifecycleConfiguration=wanted, **size)
    except ClientError as problem:
        if answer_of(problem).code not in RULE_REFUSED_CODES:
            raise
        return Outcome.NOT_OFFERED, "this server takes no such rule (MinIO removes abandoned uploads by itself, after a day)"
    return Outcome.DONE, f"after {ABORT_DAYS} days" + (f"; {len(kept)} other rules kept" if kept else "")


def prefix_of(bucket: Bucket) -> str:
    """What every key of ours begins with."""
    return f"{bucket.prefix}/" if bucket.prefix else ""


def rule_id(bucket: Bucket) -> str:
    """Our rule's name: one for each prefix, so that several drives may share a bucket."""
    return f"{RULE_ID}-{sha256(bucket.prefix.encode()).hexdigest()[:8]}" if bucket.prefix else RULE_ID


def our_rule(bucket: Bucket, others: list[dict[str, Any]]) -> dict[str, Any]:
    """The rule, in the older form where the others have it: S3 takes no mixture."""
    prefix = {"Prefix": prefix_of(bucket)}
    scope = prefix if any("Filter" not in rule for rule in others) else {"Filter": prefix}
    days = {"DaysAfterInitiation": ABORT_DAYS}
    return {"ID": rule_id(bucket), "Status": "Enabled", **scope, "AbortIncompleteMultipartUpload": days}


def covers(rule: dict[str, Any], prefix: str) -> bool:
    """Whether a rule does it already, for all of our keys."""
    scope = rule.get("Filter", rule)
    days = rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
    plain = set(scope) <= {"Prefix"} or scope is rule
    return rule.get("Status") == "Enabled" and days is not None and plain and prefix.startswith(scope.get("Prefix") or "")
