"""Passwords and the check that costs the same whatever is wrong."""

from __future__ import annotations

import time
from pathlib import Path

import bcrypt
import pytest

from kumofs.accounts import passwords, sessions
from kumofs.accounts.sign_in import authenticate, wait_s
from kumofs.accounts.users import sign_up
from kumofs.catalog import open_engine
from kumofs.catalog.port import Engine
from kumofs.errors import BadCredentials, BadPassword, SessionEnded, TooManyAttempts

PASSWORD = "four little green words"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_engine(f"sqlite://{tmp_path}/c.db")


def test_the_same_text_typed_in_two_ways_is_one_password() -> None:
    stored = passwords.hash_password("caf\u00e9 au lait bien", 4)
    assert passwords.verify_password("cafe\u0301 au lait bien", stored, 4)


@pytest.mark.parametrize("bad", ["short", "x" * 73, "é" * 37, "with a \0 inside", "password1234", "aaaaaaaaaaaaaaa"])
def test_what_cannot_be_a_password(bad: str) -> None:
    with pytest.raises(BadPassword):
        passwords.check_new_password(bad, "ada@example.org")


@pytest.mark.parametrize(
    "stored", [None, {"scheme": "bcrypt", "hash": "damaged"}, {"scheme": "other", "hash": "x"}, {"scheme": "bcrypt", "hash": ""}]
)
def test_unknown_and_damaged_cost_one_whole_bcrypt(stored: dict[str, str] | None) -> None:
    good = passwords.hash_password(PASSWORD, 10)
    began = time.perf_counter()
    assert not passwords.verify_password("wrong", good, 10)
    middle = time.perf_counter()
    assert not passwords.verify_password("wrong", stored, 10)
    ended = time.perf_counter()
    assert ended - middle > (middle - began) / 4, "a bcrypt that is not done takes a thousandth"


def test_the_dummy_hash_is_one_that_bcrypt_accepts() -> None:
    assert not bcrypt.checkpw(b"anything", passwords.dummy_hash(4))


def test_a_dearer_cost_is_taken_over_at_sign_in(engine: Engine) -> None:
    user = sign_up(engine, "ada@example.org", PASSWORD, 4)
    authenticate(engine, "ada@example.org", PASSWORD, 5)
    assert engine.get("users", user.id)["password"]["hash"].startswith("$2b$05$")


def test_waiting_doubles_to_a_quarter_of_an_hour() -> None:
    assert [wait_s(n) for n in (1, 4, 5, 6, 7, 14, 15, 1000)] == [0, 0, 1, 2, 4, 512, 900, 900]


def test_a_success_forgets_the_failures(engine: Engine) -> None:
    sign_up(engine, "ada@example.org", PASSWORD, 4)
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(BadCredentials):
                authenticate(engine, "ada@example.org", "wrong", 4)
        authenticate(engine, "ada@example.org", PASSWORD, 4)


def test_the_right_password_waits_too(engine: Engine) -> None:
    sign_up(engine, "ada@example.org", PASSWORD, 4)
    for _ in range(5):
        with pytest.raises(BadCredentials):
            authenticate(engine, "ada@example.org", "wrong", 4)
    with pytest.raises(TooManyAttempts):
        authenticate(engine, "ada@example.org", PASSWORD, 4)


def test_a_session_expires(engine: Engine) -> None:
    user = sign_up(engine, "ada@example.org", PASSWORD, 4)
    with pytest.raises(SessionEnded, match="expired"):
        sessions.check_session(engine, sessions.begin_session(engine, user, "here", -1))


def test_a_new_password_ends_the_other_sessions_only(engine: Engine) -> None:
    user = sign_up(engine, "ada@example.org", PASSWORD, 4)
    mine, other = (sessions.begin_session(engine, user, "here", 1) for _ in range(2))
    sessions.change_password(engine, mine, PASSWORD, "five other little green words", 4)
    assert sessions.check_session(engine, mine).email == "ada@example.org"
    with pytest.raises(SessionEnded):
        sessions.check_session(engine, other)


def test_equal_names_get_homes_of_their_own(engine: Engine) -> None:
    homes = [sign_up(engine, f"ada@{host}.org", PASSWORD, 4).home for host in ("a", "b")]
    assert homes == ["ada", "ada-2"]
