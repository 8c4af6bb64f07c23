"""pymongo's exceptions end here: which of them leave a write in doubt, and one clear line for each of the others.

No line quotes the URL, for it may hold a password: hosts are named without what stands before the `@`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from pymongo.errors import (
    ConnectionFailure,
    DuplicateKeyError,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from kumofs.errors import CatalogUnavailable, ConfigError, Duplicate, KumofsError

DUPLICATE_KEY = 11000
TAKEN = "the id, or a unique field, is taken"
IN_DOUBT = frozenset({6, 7, 50, 64, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436})
"""Codes after which a write may or may not have been done: time was up, the primary stepped down, a host went away."""
BAD_LOGIN = frozenset({11, 18, 8000})
UNAUTHORISED = 13
NO_RETRYABLE_WRITES = frozenset({20, 301})
"""MongoDB's code (a storage engine without them), and DocumentDB's."""


def in_doubt(problem: PyMongoError) -> bool:
    """Whether the server may have done, or may still do, what it was asked: the answer was lost, or no final one."""
    if isinstance(problem, ConnectionFailure | WriteConcernError) or problem.timeout:
        return True
    return isinstance(problem, OperationFailure) and problem.code in IN_DOUBT


@contextmanager
def errors(hosts: str) -> Iterator[None]:
    """Raise Duplicate and CatalogUnavailable for pymongo's exceptions."""
    try:
        yield
    except DuplicateKeyError as problem:
        raise Duplicate(TAKEN) from problem
    except PyMongoError as problem:
        raise CatalogUnavailable(explained(problem, hosts)) from problem


def explained(problem: PyMongoError, hosts: str) -> str:
    """One line for people: what is wrong with the catalog, and what to do."""
    text = first_line(problem)
    code = problem.code if isinstance(problem, OperationFailure) else None
    if code in BAD_LOGIN:
        return f"the catalog at {hosts} does not accept the user and password of its URL (nor a wrong authSource)"
    if code == UNAUTHORISED:
        return f"the catalog at {hosts} lets in, but not read and write: the user needs the role readWrite on the database"
    if code in NO_RETRYABLE_WRITES and "etryable" in text:
        return f"the catalog at {hosts} has no retryable writes: add retryWrites=false to its URL"
    if isinstance(problem, InvalidOperation) and "close" in text:
        return "the catalog is closed"
    if re.search(r"SSL|certificate|TLS", text):
        return f"no TLS connection to the catalog at {hosts}: {text}"
    if re.search(r"Name or service not known|getaddrinfo|No address|name resolution|DNS", text):
        return f"the catalog's host {hosts} is not known by that name: {text}"
    if "refused" in text:
        return f"the catalog at {hosts} refuses connections: is the server running, on that port?"
    return f"the catalog at {hosts} does not answer: {text}"


def first_line(problem: Exception) -> str:
    """pymongo's message without its descriptions of timeouts, topologies and replies."""
    return re.split(r" \(configured|, Timeout:|, full error|\n|, Topology", str(problem) or type(problem).__name__)[0]


def wrong_url(problem: Exception, url: str) -> KumofsError:
    """A ConfigError for a URL that pymongo does not take; its reason is told unless a part of a password is in it."""
    said = first_line(problem)
    before, _, _ = url.partition("://")[2].rpartition("@")
    secret = [piece for part in re.split(r"[:@/?]", before) for piece in (part, unquote(part)) if piece]
    reason = "user and password must be percent-encoded" if any(piece in said for piece in secret) else said
    return ConfigError(f"the catalog's URL is not mongodb://[user:password@]host[:port]/database: {reason}")
