"""mount, umount, status."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column, Table

from kumofs.accounts.sessions import check_session
from kumofs.accounts.token_file import read_token
from kumofs.cli.exit_status import UNSAVED, status_of
from kumofs.cli.signed_in import opened_catalog, settings
from kumofs.daemon import control, runtime
from kumofs.daemon import mount as mounting
from kumofs.daemon.launch import launch, tell
from kumofs.daemon.mount_point import check_fuse, check_mount_point, is_dead, unmount
from kumofs.errors import ControlRefused, KumofsError, MountFailed, NotMounted

END_S = 60.0
"""How long an unmounted daemon may take to end."""
WIDE = 10_000


def absolute(text: str) -> Path:
    """The mount point, links resolved in its parent only: the directory itself may be a dead mount."""
    path = Path(text).absolute()
    return path.parent.resolve() / path.name


@click.command()
@click.argument("directory")
@click.option("--read-only", is_flag=True, help="Nothing can be changed through this mount.")
@click.option("--allow-other", is_flag=True, help="Other users may use the mount, as far as file modes let them.")
@click.option("--noexec", is_flag=True, help="Programs on the drive cannot be run from there.")
@click.option("--source", default="kumofs", help="What the mount table shows; an email: only if that one is signed in.")
@click.option("--foreground", is_flag=True, help="Stay in the foreground, for service managers.")
@click.option("--ready-fd", type=int, hidden=True)
def mount(directory: str, foreground: bool, ready_fd: int | None, **given: Any) -> None:
    """Mount your files on an empty DIRECTORY."""
    found, mount_point = settings(), absolute(directory)
    options = mounting.Options(**given)
    if not foreground:
        check_fuse()
        check_mount_point(mount_point)
        with opened_catalog(found) as engine:
            mounting.check_source(check_session(engine, read_token(found.config_dir)), options.source)
        launch(found, mount_point, options)
        click.echo(f"Mounted on {mount_point}.")
        return
    logging.basicConfig(level=found.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        mounting.run(found, mount_point, options, lambda: tell(ready_fd, {"ok": True}) if ready_fd is not None else None)
    except KumofsError as problem:
        if ready_fd is not None:
            tell_quietly(ready_fd, problem)
        raise


def tell_quietly(ready_fd: int, problem: KumofsError) -> None:
    """Tell why it did not mount, where somebody still listens."""
    try:
        tell(ready_fd, {"error": str(problem) or type(problem).__name__, "status": status_of(problem)})
    except OSError:
        logging.getLogger(__name__).error("%s", problem)


@click.command()
@click.argument("directory")
def umount(directory: str) -> None:
    """Finish the uploads, then unmount DIRECTORY."""
    found, mount_point = settings(), absolute(directory)
    try:
        place = runtime.find_running(found, mount_point)
    except NotMounted:
        if not is_dead(mount_point):
            raise
        unmount(mount_point, lazy=True)
        click.echo(f"{mount_point} was left by a mount that had ended; it is free now.")
        return
    pid = runtime.alive(place)
    failed = drain(place.socket)
    unmount(mount_point)
    wait_ended(place, pid)
    if failed:
        click.echo(f"kumofs: {failed} files could not be uploaded; they are kept and go up at the next mount", err=True)
        sys.exit(UNSAVED)
    click.echo(f"Unmounted {mount_point}.")


def drain(socket: Path) -> int:
    """Have everything uploaded, with a bar; how many files could not be."""
    columns = (TextColumn("Uploading"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("upload", total=None)
        total = 0
        for message in control.ask(socket, "drain", control.DRAIN_S):
            total = max(total, int(message.get("left", 0)))
            progress.update(task, total=total, completed=total - int(message.get("left", 0)))
            if message.get("done"):
                return int(message["failed"])
    raise ControlRefused("the mount ended before it had uploaded everything: what it staged is kept for the next mount")


def wait_ended(place: runtime.Place, pid: int | None) -> None:
    """Wait for the daemon to end, so that the directory may be mounted again at once."""
    deadline = time.monotonic() + END_S
    while runtime.alive(place) == pid and pid is not None:
        if time.monotonic() > deadline:
            raise MountFailed(f"process {pid} unmounted but does not end: see its log {place.log_file}")
        time.sleep(0.02)


@click.command()
def status() -> None:
    """Show the mounts on this machine, and what is still on its way."""
    places = runtime.running(settings())
    if not places:
        click.echo("Nothing is mounted.")
        return
    table = Table(*(Column(title, overflow="fold") for title in ("directory", "user", "state", "on its way")), box=None)
    for place in places:
        try:
            message = next(iter(control.ask(place.socket, "status")))
        except (ControlRefused, StopIteration):
            table.add_row("?", "?", f"process {runtime.alive(place)} does not answer", "?")
            continue
        state = message["ended"] or ("read-only" if message["read_only"] else "mounted")
        waiting = f"{message['pending']} files, {message['pending_bytes']:,} bytes" if message["pending"] else "nothing"
        table.add_row(message["mount_point"], message["email"], state, "\n".join([waiting, *message["errors"]]))
    # paths are never cut: a terminal folds them, a pipe gets them whole
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


COMMANDS = (mount, umount, status)
