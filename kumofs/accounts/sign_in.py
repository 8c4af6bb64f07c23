"""Where a password is checked, and guessing is held back.

An attempt is counted before the password is looked at, by compare-and-swap, so guesses made at once do not slip through.
Unknown addresses are counted like known ones: neither the words, the time nor the waiting tells which exist.
"""

from __future__ import annotations

from hashlib import sha256

from kumofs.accounts.emails import normalise_email
from kumofs.accounts.passwords import hash_password, needs_rehash, verify_password
from kumofs.accounts.users import User, find_user, user_of
from kumofs.catalog.port import Engine
from kumofs.catalog.schema import ATTEMPTS, USERS
from kumofs.errors import BadCredentials, BadEmail, Duplicate, TooManyAttempts

FREE_FAILURES = 5
WAIT_MAX_S = 15 * 60
WORDS = "email or password is wrong"


def authenticate(engine: Engine, email: str, password: str, cost: int) -> User:
    """The user whose password it is. BadCredentials, TooManyAttempts."""
    try:
        address = normalise_email(email)
    except BadEmail:
        address = "-"  # nobody's: costs and says the same
    admit(engine, address)
    doc = find_user(engine, address)
    if not verify_password(password, doc["password"] if doc is not None else None, cost) or doc is None:
        raise BadCredentials(WORDS)
    engine.delete(ATTEMPTS, attempt_id(address))
    if needs_rehash(doc["password"], cost):
        engine.update(USERS, doc["_id"], {"password": doc["password"]}, {"password": hash_password(password, cost)})
    return user_of(doc)


def admit(engine: Engine, address: str) -> None:
    """Count one more attempt, or raise TooManyAttempts where the last ones were too many."""
    while True:
        doc = engine.get(ATTEMPTS, attempt_id(address))
        now_us = engine.now_us()
        if doc is None:
            try:
                engine.insert(ATTEMPTS, {"_id": attempt_id(address), "failures": 1, "blocked_until_us": 0})
            except Duplicate:
                continue
            return
        wait_us = doc["blocked_until_us"] - now_us
        if wait_us > 0:
            raise TooManyAttempts(f"too many failed attempts: try again in {wait_us // 1_000_000 + 1} s")
        failures = doc["failures"] + 1
        change = {"failures": failures, "blocked_until_us": now_us + wait_s(failures) * 1_000_000}
        if engine.update(ATTEMPTS, doc["_id"], {"failures": doc["failures"]}, change) is not None:
            return


def wait_s(failures: int) -> int:
    """How long the next attempt has to wait after so many failures: 1 s after five, doubling to 15 minutes."""
    return 0 if failures < FREE_FAILURES else min(2 ** min(failures - FREE_FAILURES, 10), WAIT_MAX_S)


def attempt_id(address: str) -> str:
    """Where attempts are counted: one of 2**20 places, so that invented addresses cannot fill the catalog."""
    return sha256(address.encode()).hexdigest()[:5]
