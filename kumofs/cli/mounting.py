"""mount, umount."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click

from kumofs.accounts.sessions import check_session
from kumofs.accounts.token_file import read_token
from kumofs.cli.bar import shown
from kumofs.cli.exit_status import UNSAVED, status_of
from kumofs.cli.signed_in import opened_catalog, settings
from kumofs.daemon import control, runtime
from kumofs.daemon import mount as mounting
from kumofs.daemon.connection import answered_within, detach, flush
from kumofs.daemon.launch import launch, tell
from kumofs.daemon.mount_point import check_fuse, check_mount_point, clear_dead, unmount
from kumofs.daemon.occupants import listed, occupants
from kumofs.daemon.options import Options, Ownership
from kumofs.errors import ControlRefused, KumofsError, MountFailed, NotMounted

FLUSH_S = 30.0
"""How long, at most, an unmount by force waits for one upload."""
END_S = 60.0
"""How long an unmounted daemon may take to end."""


def absolute(text: str) -> Path:
    """The mount point, links resolved in its parent only: the directory itself may be a dead mount."""
    path = Path(text).absolute()
    return path.parent.resolve() / path.name


@click.command()
@click.argument("directory")
@click.option("--read-only", is_flag=True, help="Nothing can be changed through this mount.")
@click.option("--allow-other", is_flag=True, help="Other users may use the mount, as far as file modes let them.")
@click.option(
    "--ownership",
    type=click.Choice([choice.value for choice in Ownership]),
    default=Ownership.MOUNTER.value,
    show_default=True,
    help="Show files as owned by whom the drive stores, or all by you, who mount.",
)
@click.option("--write-through", is_flag=True, help="Closing a file waits until its bytes are in the store.")
@click.option("--noexec", is_flag=True, help="Programs on the drive cannot be run from there.")
@click.option("--source", default="kumofs", help="What the mount table shows; an email: only if that one is signed in.")
@click.option("--foreground", is_flag=True, help="Stay in the foreground, for service managers.")
@click.option("--ready-fd", type=int, hidden=True)
def mount(directory: str, ownership: str, foreground: bool, ready_fd: int | None, **given: Any) -> None:
    """Mount your files on an empty DIRECTORY."""
    found, mount_point = settings(), absolute(directory)
    options = Options(ownership=Ownership(ownership), **given)
    if not foreground:
        check_fuse()
        check_mount_point(mount_point, owned=runtime.alive(runtime.place_of(found, mount_point)) is not None)
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
@click.option("--force", is_flag=True, help="Unmount under programs that still use it; what they wrote is kept.")
def umount(directory: str, force: bool) -> None:
    """Finish the uploads, then unmount DIRECTORY."""
    found, mount_point = settings(), absolute(directory)
    try:
        place = runtime.find_running(found, mount_point)
    except NotMounted:
        if not clear_dead(mount_point):
            raise
        click.echo(f"{mount_point} was left by a mount that had ended; it is free now.")
        return
    if force:
        failed = end_by_force(place, mount_point)
    else:
        pid = runtime.alive(place)
        failed = drain(place.socket)
        unmount(mount_point)
        wait_ended(place, pid)
    if failed:
        click.echo(f"kumofs: {failed} files could not be uploaded; they are kept and go up at the next mount", err=True)
        sys.exit(UNSAVED)
    click.echo(f"Unmounted {mount_point}.")


def end_by_force(place: runtime.Place, mount_point: Path) -> int:
    """Unmount under the programs that use it; how many files could not be uploaded before.

    The daemon journals what is staged before it does anything else, so it may be killed where it does not end by itself.
    """
    pid = runtime.alive(place)
    programs = listed(occupants(mount_point))
    answered_within(FLUSH_S, lambda: flush(mount_point))
    try:
        failed = drain(place.socket, FLUSH_S)
    except ControlRefused:
        failed = 1
    detach(mount_point)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
    try:
        wait_ended(place, pid)
    except MountFailed:
        click.echo(f"kumofs: process {pid} does not end, and is killed; the next mount takes up what it kept", err=True)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        failed = failed or 1
    if programs:
        click.echo(f"kumofs: these programs still used it, and get errors from now on: {programs}", err=True)
    return failed


def drain(socket: Path, silence_s: float = control.DRAIN_S) -> int:
    """Have everything uploaded, with a bar; how many files could not be. ControlRefused where it is silent for so long."""
    return shown("Uploading", control.ask(socket, "drain", silence_s))


def wait_ended(place: runtime.Place, pid: int | None) -> None:
    """Wait for the daemon to end, so that the directory may be mounted again at once."""
    deadline = time.monotonic() + END_S
    while runtime.alive(place) == pid and pid is not None:
        if time.monotonic() > deadline:
            raise MountFailed(f"process {pid} unmounted but does not end: see its log {place.log_file}")
        time.sleep(0.02)


COMMANDS = (mount, umount)
