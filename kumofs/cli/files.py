"""info, tag, find: metadata for people who do not know extended attributes."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from kumofs.catalog.inodes import tagged
from kumofs.catalog.paths import path_of
from kumofs.cli.signed_in import settings, signed_in
from kumofs.daemon import control, runtime
from kumofs.errors import ControlRefused, InvalidArgument, NotFound, NotMounted, NotPermitted

TAG = "user.kumo.tag"
OWN = "user.kumo."
WIDE = 10_000


def attributes(path: Path) -> dict[str, str]:
    """kumofs's attributes of a file in a mount. NotFound, NotMounted."""
    try:
        names = [name for name in os.listxattr(path) if name.startswith(OWN)]
        found = {name.removeprefix(OWN): os.getxattr(path, name).decode() for name in names}
    except OSError as problem:
        raise explained(path, problem) from problem
    if "owner" not in found:
        raise NotMounted(f"{path} is not in a kumofs mount")
    return found


def explained(path: Path, problem: OSError) -> Exception:
    """What went wrong with a path, in one line."""
    if problem.errno == errno.ENOENT:
        return NotFound(f"{path}: no such file")
    if problem.errno in (errno.EOPNOTSUPP, errno.ENODATA):
        return NotMounted(f"{path} is not in a kumofs mount")
    return NotPermitted(f"{path}: {problem.strerror}")


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
def info(paths: tuple[Path, ...]) -> None:
    """Show what is known of files: created, modified, owner, tags, key, state."""
    for path in paths:
        table = Table(show_header=False, box=None)
        table.add_row("path", str(path))
        for name, value in sorted(attributes(path).items()):
            table.add_row(name, value)
        Console(width=None if sys.stdout.isatty() else WIDE, markup=False, highlight=False).print(table)


# what follows the path are changes, "-h" too
POSITIONAL = {"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": ["--help"]}


@click.command(context_settings=POSITIONAL)
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("changes", nargs=-1, type=click.UNPROCESSED)
def tag(path: Path, changes: tuple[str, ...]) -> None:
    """Add tags (+x) to a file and take tags (-y) away; then show them."""
    tags = [tag for tag in attributes(path)["tag"].split(",") if tag]
    for change in changes:
        sign, name = change[:1], change[1:].strip()
        if sign not in "+-" or not name or "," in name:
            raise InvalidArgument(f"{change!r}: write +TAG to add one, -TAG to take one away; a tag has no comma")
        tags = [tag for tag in tags if tag != name] + ([name] if sign == "+" else [])
    if changes:
        try:
            os.setxattr(path, TAG, ",".join(tags).encode())
        except OSError as problem:
            raise explained(path, problem) from problem
    click.echo(", ".join(tags))


@click.command()
@click.option("--tag", "tags", multiple=True, required=True, help="Only files with this tag; all of them, where given often.")
@click.option("-0", "null", is_flag=True, help="End each path with a NUL, for xargs -0.")
def find(tags: tuple[str, ...], null: bool) -> None:
    """List your files by tag."""
    with signed_in() as (_, engine, user):
        found = tagged(engine, user.home, tags[0])
        inodes = [inode for inode in found if inode.names and set(tags) <= set(inode.tags)]
        paths = [path for inode in inodes if (path := path_of(engine, inode)) is not None]
    top = mounted_at(user.home)
    for path in sorted(paths):
        click.echo(str(top.joinpath(*path)), nl=not null)
        if null:
            click.echo("\0", nl=False)


def mounted_at(home: str) -> Path:
    """Where a home is mounted, so that paths can be used at once; / where it is not."""
    for place in runtime.running(settings()):
        try:
            message = next(iter(control.ask(place.socket, "status")), {})
        except ControlRefused:
            continue
        if message.get("home") == home:
            return Path(message["mount_point"])
    return Path("/")


COMMANDS = (info, tag, find)
