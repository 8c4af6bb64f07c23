"""cache, warm: clean bytes on this machine's disk."""

from __future__ import annotations

import json

import click

from kumofs.cache.disk import MIB, room_of
from kumofs.cli.bar import shown_bytes
from kumofs.cli.sending import targets
from kumofs.cli.signed_in import settings
from kumofs.daemon import control
from kumofs.daemon.control import Message
from kumofs.errors import CatalogUnavailable, ConfigError, StoreUnavailable


@click.group()
def cache() -> None:
    """Look at, or empty, the cache on this machine's disk."""


@cache.command()
@click.option("--json", "as_json", is_flag=True, help="An object, for programs.")
def show(as_json: bool) -> None:
    """Show where the cache is, and how much it holds."""
    room = room_of(settings())
    try:
        found = room.usage()
    except OSError as problem:
        raise ConfigError(f"{room.directory} cannot be read: {problem.strerror}") from problem
    if as_json:
        click.echo(json.dumps({"directory": str(room.directory), **found._asdict()}))
        return
    click.echo(f"{room.directory}: {found.files} files, {found.used_bytes / MIB:,.1f} of {found.bytes_max / MIB:,.1f} MiB")


@cache.command()
def clear() -> None:
    """Remove everything from the cache. Nothing is lost by it, and mounts may go on."""
    room = room_of(settings())
    try:
        found = room.clear()
    except OSError as problem:
        raise ConfigError(f"{room.directory} cannot be cleared: {problem.strerror}") from problem
    click.echo(f"Removed {found.files} files, {found.used_bytes / MIB:,.1f} MiB.")


@click.command()
@click.argument("paths", nargs=-1, required=True)
def warm(paths: tuple[str, ...]) -> None:
    """Fetch the bytes of the files at PATHS, and of all that lie in folders there, into the cache."""
    for path, places in [(path, targets(path)) for path in paths]:
        for place, inode in places:
            done = shown_bytes("Fetching", control.ask(place.socket, "warm", control.DRAIN_S, inode=inode))
            click.echo(f"{path}: {outcome(path, done)}")


def outcome(path: str, done: Message) -> str:
    """What was fetched. ConfigError, CatalogUnavailable, StoreUnavailable where that is not what was asked."""
    if "off" in done:
        raise ConfigError(f"{path}: {done['off']}")
    if "error" in done:
        raise CatalogUnavailable(f"{path}: {done['error']}")
    if done["failed"]:
        raise StoreUnavailable(f"{path}: {done['failed']} pieces could not be fetched, the last because: {done['problem']}")
    if done["full"]:
        return f"{done['files']} of {done['files_max']} files fitted into the cache: see `kumofs cache show`"
    return f"{done['files']} files, {done['bytes'] / MIB:,.1f} MiB are on this machine"


COMMANDS = (cache, warm)
