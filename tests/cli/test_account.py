"""Accounts through the command."""

from __future__ import annotations

import stat

import pytest

PASSWORD = "four little green words"


def test_sign_up_signs_in(world) -> None:
    world.signup()
    assert world.run("whoami") == "ada@example.org\n"


def test_signing_out_and_in_again(world) -> None:
    world.signup()
    world.run("signout")
    assert "nobody is signed in" in world.run("whoami", status=3)
    world.run("signin", "ADA@example.org", "--password-stdin", stdin=PASSWORD)
    assert world.run("whoami") == "ada@example.org\n"


def test_signing_out_everywhere_ends_other_sessions(world) -> None:
    world.signup()
    token = world.base / "config" / "kumofs" / "session"
    other = token.read_text()
    world.run("signin", "ada@example.org", "--password-stdin", stdin=PASSWORD)
    world.run("signout", "--everywhere")
    token.write_text(other)
    token.chmod(0o600)
    world.run("whoami", status=4)


def test_unknown_user_and_wrong_password_read_the_same(world) -> None:
    world.signup()
    wrong = world.run("signin", "ada@example.org", "--password-stdin", stdin="not the password", status=5)
    unknown = world.run("signin", "eve@example.org", "--password-stdin", stdin="not the password", status=5)
    assert wrong == unknown


def test_guessing_is_held_back_for_known_and_unknown_alike(world) -> None:
    world.signup()
    for email in ("ada@example.org", "eve@example.org"):
        for _ in range(5):
            world.run("signin", email, "--password-stdin", stdin="not the password", status=5)
        for _ in range(10):  # the wait doubles until it is longer than a command takes, however slow the machine is
            status, said = world.call("signin", email, "--password-stdin", stdin="not the password")
            if status == 6:
                break
        assert (status, "try again in" in said) == (6, True)


def test_bad_input_is_refused_with_a_reason(world) -> None:
    assert "name@example.org" in world.run("signup", "nobody", "--password-stdin", stdin=PASSWORD, status=7)
    assert "12 characters" in world.run("signup", "a@b.org", "--password-stdin", stdin="short", status=8)
    assert "72 bytes" in world.run("signup", "a@b.org", "--password-stdin", stdin="é" * 40, status=8)
    world.signup()
    assert "signed up already" in world.run("signup", "Ada@Example.org", "--password-stdin", stdin=PASSWORD, status=9)


def test_the_token_is_private(world) -> None:
    world.signup()
    token = world.base / "config" / "kumofs" / "session"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    token.chmod(0o644)
    assert "chmod 600" in world.run("whoami", status=19)


@pytest.mark.sqlite_catalog
def test_no_secret_is_kept_in_the_clear(world) -> None:
    world.signup()
    token = (world.base / "config" / "kumofs" / "session").read_text()
    kept = b"".join(path.read_bytes() for path in (world.base / "data" / "kumofs").glob("catalog.db*"))
    assert PASSWORD.encode() not in kept
    assert token.encode() not in kept
