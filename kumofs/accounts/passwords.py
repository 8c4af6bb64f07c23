"""Passwords: what may be one, its hash, its check. The only module that imports bcrypt.

bcrypt stops at a NUL and at 72 bytes, so such passwords are refused, never cut.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import bcrypt

from kumofs.errors import BadPassword

SCHEME = "bcrypt"
LENGTH_MIN = 12
BYTES_MAX = 72
BLOCKED = frozenset(
    [
        "password1234",
        "passwordpassword",
        "123456789012",
        "1234567890123",
        "12345678901234",
        "qwertyuiop12",
        "qwertyuiopas",
        "qwerty123456",
        "iloveyou1234",
        "letmein12345",
        "administrator",
        "welcome12345",
        "changeme1234",
        "correcthorsebatterystaple",
        "abcdefghijkl",
        "abcd1234abcd",
        "passw0rd1234",
        "password12345",
        "password123456",
        "qwertyqwerty",
        "111122223333",
        "unbelievable",
        "trustno1trustno1",
        "1q2w3e4r5t6y",
    ]
)
"""Long passwords that are guessed first."""

Stored = dict[str, str]


def normalise_password(password: str) -> bytes:
    """The bytes that are hashed: the same for every way of typing the same text."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogateescape")


def check_new_password(password: str, email: str) -> None:
    """Raise BadPassword where it may not be chosen; says why."""
    body = normalise_password(password)
    text = unicodedata.normalize("NFKC", password).casefold()
    if "\0" in text:
        raise BadPassword("a password cannot contain a NUL character")
    if len(text) < LENGTH_MIN:
        raise BadPassword(f"a password has at least {LENGTH_MIN} characters: three or four words make a good one")
    if len(body) > BYTES_MAX:
        raise BadPassword(
            f"a password has at most {BYTES_MAX} bytes (letters beyond ASCII count two to four): choose a shorter one"
        )
    if text in BLOCKED or len(set(text)) < 4 or text in (email, email.partition("@")[0]):
        raise BadPassword("that password is among the first ones tried: choose another")


def hash_password(password: str, cost: int) -> Stored:
    """The stored form. `cost` is bcrypt's: each one more doubles the time; 12 takes about 0.2 s."""
    return {"scheme": SCHEME, "hash": bcrypt.hashpw(normalise_password(password), bcrypt.gensalt(cost)).decode()}


@cache
def dummy_hash(cost: int) -> bytes:
    """A hash that no password has, so that an unknown user costs what a known one costs."""
    return b"$2b$%02d$" % cost + b"." * 21 + b"u" + b"." * 31


def verify_password(password: str, stored: Stored | None, cost: int) -> bool:
    """Whether it is the password. Always one bcrypt, for an unknown user and for a damaged hash too."""
    body = normalise_password(password)
    usable = len(body) <= BYTES_MAX and b"\0" not in body
    hashed = stored["hash"].encode() if stored and stored.get("scheme") == SCHEME else b""
    try:
        return bcrypt.checkpw(body if usable else b"-", hashed) and usable
    except ValueError:
        bcrypt.checkpw(b"-", dummy_hash(cost))
        return False


def needs_rehash(stored: Stored, cost: int) -> bool:
    """Whether the hash was made with a lower cost than is asked now."""
    return int(stored["hash"].split("$")[2]) < cost
