"""The command itself: the families put together, and every error turned into one line and a status."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from kumofs import __version__
from kumofs.cli import account, caching, doctor, files, init, mounting, sending, upkeep
from kumofs.cli.exit_status import status_of
from kumofs.config import variable
from kumofs.daemon.launch import Refused
from kumofs.errors import KumofsError


class Kumofs(click.Group):
    """A group whose errors are one line each."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it raises ends it with its status."""
        try:
            return super().invoke(ctx)
        except Refused as problem:
            fail(str(problem), problem.status)
        except KumofsError as problem:
            fail(str(problem) or type(problem).__name__, status_of(problem))


def fail(message: str, status: int) -> None:
    """One line, and the end."""
    click.echo(f"kumofs: {' '.join(message.split())}", err=True)
    sys.exit(status)


@click.group(cls=Kumofs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kumofs")
@click.option("--catalog", help="sqlite:///path or mongodb://host/database")
@click.option("--store", help="file:///path or s3://bucket/prefix")
@click.option("--endpoint", help="URL of an S3-compatible server, where it is not AWS.")
@click.option("--region", help="Region of the bucket.")
@click.option("--profile", help="Profile of the AWS configuration that has the credentials.")
@click.option("--storage-class", help="Storage class of new objects.")
@click.option("--cache-mib", type=click.IntRange(0), help="What the cache on disk may hold, in MiB; 0: there is none.")
def main(**flags: str | int | None) -> None:
    """Your files, kept as plain objects, mounted as a drive.

    The flags above override config.toml and KUMOFS_CATALOG, KUMOFS_STORE, … for this command.
    """
    os.environ.update({variable(key): str(value) for key, value in flags.items() if value is not None})  # the daemon inherits it


FAMILIES = (init, doctor, account, mounting, sending, files, caching, upkeep)
for command in (command for family in FAMILIES for command in family.COMMANDS):
    main.add_command(command)
