"""Sessions: a token for a while. The catalog holds only the token's SHA-256.

A session is over when it expired, was ended, or its `auth_epoch` is not the user's any more (the password was changed,
or everything was signed out).
"""

from __future__ import annotations

import secrets
from hashlib import sha256

from kumofs.accounts.passwords import check_new_password, hash_password
from kumofs.accounts.sign_in import authenticate
from kumofs.accounts.users import User, read_user
from kumofs.catalog.port import Document, Engine
from kumofs.catalog.schema import SESSIONS, USERS
from kumofs.errors import SessionEnded

DAY_US = 24 * 3600 * 1_000_000
AGAIN = "sign in again with `kumofs signin EMAIL`"


def begin_session(engine: Engine, user: User, host: str, days: int) -> str:
    """A new session; its token, which is nowhere else."""
    token = secrets.token_urlsafe(32)
    now_us = engine.now_us()
    forget_expired(engine, user, now_us)
    doc = {"_id": session_id(token), "user": user.id, "created_us": now_us, "expires_us": now_us + days * DAY_US}
    engine.insert(SESSIONS, {**doc, "host": host, "auth_epoch": user.auth_epoch})
    return token


def check_session(engine: Engine, token: str) -> User:
    """The user of a session. SessionEnded."""
    doc = engine.get(SESSIONS, session_id(token))
    user = read_user(engine, doc["user"]) if doc is not None else None
    if doc is None or user is None or doc["auth_epoch"] != user.auth_epoch:
        raise SessionEnded(f"this session was ended: {AGAIN}")
    if doc["expires_us"] <= engine.now_us():
        raise SessionEnded(f"this session has expired: {AGAIN}")
    return user


def end_session(engine: Engine, token: str) -> None:
    """Sign one session out."""
    engine.delete(SESSIONS, session_id(token))


def end_all_sessions(engine: Engine, user: User) -> None:
    """Sign every session of a user out, on every machine."""
    engine.update(USERS, user.id, inc={"auth_epoch": 1})
    for doc in sessions_of(engine, user):
        engine.delete(SESSIONS, doc["_id"])


def change_password(engine: Engine, token: str, old: str, new: str, cost: int) -> None:
    """Set another password; every session but this one ends. SessionEnded, BadCredentials, TooManyAttempts, BadPassword."""
    user = check_session(engine, token)
    authenticate(engine, user.email, old, cost)
    check_new_password(new, user.email)
    where = {"auth_epoch": user.auth_epoch}
    doc = engine.update(USERS, user.id, where, {"password": hash_password(new, cost)}, inc={"auth_epoch": 1})
    if doc is None:
        raise SessionEnded(f"the password was changed by somebody else just now: {AGAIN}")
    engine.update(SESSIONS, session_id(token), set={"auth_epoch": doc["auth_epoch"]})


def forget_expired(engine: Engine, user: User, now_us: int) -> None:
    """Remove what is over anyway, so that the sessions of a user do not pile up."""
    for doc in sessions_of(engine, user):
        if doc["expires_us"] <= now_us or doc["auth_epoch"] != user.auth_epoch:
            engine.delete(SESSIONS, doc["_id"])


def sessions_of(engine: Engine, user: User) -> list[Document]:
    """The sessions of a user, by index."""
    return engine.find(SESSIONS, {"user": user.id})


def session_id(token: str) -> str:
    """What the catalog knows a token by."""
    return sha256(token.encode()).hexdigest()
