"""Users: signing up, reading."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import Any

from kumofs.accounts.emails import home_slug, normalise_email
from kumofs.accounts.passwords import check_new_password, hash_password
from kumofs.catalog.create import make_root
from kumofs.catalog.port import Document, Engine
from kumofs.catalog.schema import USERS
from kumofs.errors import Duplicate, EmailTaken

HOMES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class User:
    """A signed-up person. `home` is the first part of every key, `root` the inode of the root directory."""

    id: str
    email: str
    home: str
    root: int
    auth_epoch: int


def sign_up(engine: Engine, email: str, password: str, cost: int) -> User:
    """Make a user with an empty home. BadEmail, BadPassword, EmailTaken."""
    address = normalise_email(email)
    check_new_password(password, address)
    if find_user(engine, address) is not None:
        raise EmailTaken(f"{address} is signed up already: sign in with `kumofs signin {address}`")
    user: dict[str, Any] = {
        "_id": secrets.token_hex(8),
        "email": address,
        "password": hash_password(password, cost),
        "created_us": engine.now_us(),
        "auth_epoch": 0,
    }
    return insert_user(engine, user)


def insert_user(engine: Engine, user: dict[str, Any]) -> User:
    """Insert the user under the first free home; its root comes first, so that no user is ever without."""
    slug = home_slug(user["email"])
    for number in range(1, HOMES_MAX):
        home = slug if number == 1 else f"{slug}-{number}"
        if engine.find(USERS, {"home": home}, limit=1):
            continue
        root = make_root(engine, home, user["email"], os.getuid(), os.getgid())
        try:
            engine.insert(USERS, {**user, "home": home, "root": root})
        except Duplicate:
            engine.delete("inodes", root)
            if find_user(engine, user["email"]) is not None:
                raise EmailTaken(f"{user['email']} is signed up already: sign in instead") from None
            continue
        return User(user["_id"], user["email"], home, root, 0)
    raise EmailTaken(f"too many homes are called {slug!r}: sign up with another address")


def find_user(engine: Engine, email: str) -> Document | None:
    """The document of an address in its normal form."""
    return next(iter(engine.find(USERS, {"email": email}, limit=1)), None)


def read_user(engine: Engine, id: str) -> User | None:
    """The user of an id."""
    doc = engine.get(USERS, id)
    return user_of(doc) if doc is not None else None


def user_of(doc: Document) -> User:
    """The user of a document."""
    return User(doc["_id"], doc["email"], doc["home"], doc["root"], doc["auth_epoch"])
