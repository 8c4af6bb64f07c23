"""signup, signin, passwd, whoami, signout."""

from __future__ import annotations

import socket
import sys

import click

from kumofs.accounts import sessions
from kumofs.accounts.sign_in import authenticate
from kumofs.accounts.token_file import read_token, remove_token, write_token
from kumofs.accounts.users import User, sign_up
from kumofs.catalog.port import Engine
from kumofs.cli.signed_in import opened_catalog, settings, signed_in
from kumofs.config import Settings
from kumofs.errors import BadPassword, NotSignedIn, SessionEnded

PASSWORD_MAX = 4096

from_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input, one a line.")


def read_password(words: str, *, stdin: bool, confirm: bool = False) -> str:
    """A password from the terminal, not echoed, or a line of standard input."""
    if not stdin:
        entered: str = click.prompt(words, hide_input=True, confirmation_prompt=confirm, err=True)
        return entered
    line = sys.stdin.readline(PASSWORD_MAX)
    if not line:
        raise BadPassword("standard input ended before the password: write it on one line")
    return line.rstrip("\r\n")


def begin(found: Settings, engine: Engine, user: User) -> None:
    """A session on this machine, in place of the one that was."""
    write_token(found.config_dir, sessions.begin_session(engine, user, socket.gethostname(), found.session_days))


@click.command()
@click.argument("email")
@from_stdin
def signup(email: str, password_stdin: bool) -> None:
    """Make an account, and sign in."""
    found = settings()
    password = read_password("New password", stdin=password_stdin, confirm=True)
    with opened_catalog(found) as engine:
        user = sign_up(engine, email, password, found.bcrypt_cost)
        begin(found, engine, user)
    click.echo(f"Welcome, {user.email}. Mount your files: kumofs mount DIRECTORY")


@click.command()
@click.argument("email")
@from_stdin
def signin(email: str, password_stdin: bool) -> None:
    """Sign in on this machine."""
    found = settings()
    password = read_password("Password", stdin=password_stdin)
    with opened_catalog(found) as engine:
        user = authenticate(engine, email, password, found.bcrypt_cost)
        begin(found, engine, user)
    click.echo(f"Signed in as {user.email}.")


@click.command()
@from_stdin
def passwd(password_stdin: bool) -> None:
    """Change your password; all other sessions end, running mounts included."""
    with signed_in() as (found, engine, _):
        old = read_password("Old password", stdin=password_stdin)
        new = read_password("New password", stdin=password_stdin, confirm=True)
        sessions.change_password(engine, read_token(found.config_dir), old, new, found.bcrypt_cost)
    click.echo("Password changed. Sessions elsewhere have ended.")


@click.command()
def whoami() -> None:
    """Show who is signed in."""
    with signed_in() as (_, _, user):
        click.echo(user.email)


@click.command()
@click.option("--everywhere", is_flag=True, help="End your sessions on every machine.")
def signout(everywhere: bool) -> None:
    """Sign out; mounts of the session stop working within a minute, what they staged is kept."""
    found = settings()
    try:
        token = read_token(found.config_dir)
    except NotSignedIn:
        click.echo("Nobody was signed in.")
        return
    with opened_catalog(found) as engine:
        try:
            user = sessions.check_session(engine, token)
        except SessionEnded:
            if everywhere:
                raise
        else:
            if everywhere:
                sessions.end_all_sessions(engine, user)
        sessions.end_session(engine, token)
    remove_token(found.config_dir)
    click.echo("Signed out everywhere." if everywhere else "Signed out.")


COMMANDS = (signup, signin, passwd, whoami, signout)
