"""status, sync: what is on its way, and waiting for it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Column, Table

from kumofs.cli.bar import shown
from kumofs.cli.exit_status import UNSAVED
from kumofs.cli.files import explained
from kumofs.cli.signed_in import settings
from kumofs.daemon import control, runtime
from kumofs.daemon.control import Message
from kumofs.errors import ControlRefused, NotMounted

WIDE = 10_000


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A list of objects, for programs.")
def status(as_json: bool) -> None:
    """Show the mounts on this machine, and what is still on its way."""
    places = runtime.running(settings())
    if as_json:
        click.echo(json.dumps([asked(place) or {"pid": runtime.alive(place), "answers": False} for place in places], indent=2))
        return
    if not places:
        click.echo("Nothing is mounted.")
        return
    table = Table(*(Column(title, overflow="fold") for title in ("directory", "user", "state", "on its way")), box=None)
    for place in places:
        message = asked(place)
        if message is None:
            table.add_row("?", "?", f"process {runtime.alive(place)} does not answer", "?")
            continue
        state = message["ended"] or ("read-only" if message["read_only"] else "mounted")
        table.add_row(message["mount_point"], message["email"], state, "\n".join(on_its_way(message)))
    # paths are never cut: a terminal folds them, a pipe gets them whole
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


def asked(place: runtime.Place) -> Message | None:
    """What a mount says of itself; None where it does not answer."""
    try:
        return next(iter(control.ask(place.socket, "status")), None)
    except ControlRefused:
        return None


def on_its_way(message: Message) -> list[str]:
    """The lines of a mount's state."""
    lines = ["nothing"]
    if message["pending"]:
        rate = f", {message['rate_bytes_s']:,} bytes/s" if message["rate_bytes_s"] else ""
        lines = [f"{message['pending']} files, {message['pending_bytes']:,} bytes, the oldest {message['oldest_s']:.0f} s{rate}"]
    if message["failed"]:
        lines.append(f"{message['failed']} failed and are tried again; the last because: {message['last_error']}")
    if message["unsettled"]:
        lines.append(f"{message['unsettled']} renamed, their objects are still to follow")
    lines += [f"kept beside a file that was changed elsewhere: {name}" for name in message["conflicts"]]
    return [*lines, *message["errors"]]


@click.command()
@click.argument("path", required=False)
@click.option("--settle", is_flag=True, help="Wait until the objects of renamed files lie under their new names, too.")
def sync(path: str | None, settle: bool) -> None:
    """Wait until everything is uploaded, or what lies at PATH."""
    failed = 0
    for place, inode in targets(path):
        more = {} if inode is None else {"inode": inode}
        failed += shown("Uploading", control.ask(place.socket, "sync", control.DRAIN_S, **more))
        if settle:
            shown("Settling", control.ask(place.socket, "settle", control.DRAIN_S))
    if failed:
        click.echo(f"kumofs: {failed} files could not be uploaded; they are kept and tried again: see `kumofs status`", err=True)
        sys.exit(UNSAVED)


def targets(path: str | None) -> list[tuple[runtime.Place, int | None]]:
    """The mounts that are meant, each with the inode that is. NotMounted."""
    found = settings()
    if path is None:
        return [(place, None) for place in runtime.running(found)]
    full = Path(path).absolute()
    for directory in (full, *full.parents):
        try:
            place = runtime.find_running(found, directory.parent.resolve() / directory.name)
        except NotMounted:
            continue
        try:
            return [(place, full.stat().st_ino)]
        except OSError as problem:
            raise explained(full, problem) from problem
    raise NotMounted(f"{path} does not lie in a mount of kumofs: `kumofs status` shows what there is")


COMMANDS = (status, sync)
