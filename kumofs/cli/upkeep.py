"""gc: what no mount meets again is found and cleaned."""

from __future__ import annotations

import click

from kumofs.cli.signed_in import signed_in
from kumofs.staging.collect import YOUNG_S, collect
from kumofs.store import open_store


@click.command()
@click.option("--older-than", default=YOUNG_S, show_default=True, help="Leave alone what is younger, in seconds.")
def gc(older_than: int) -> None:
    """Finish what ended halfway and remove what nothing refers to; says what it found."""
    with signed_in() as (settings, engine, user):
        store = open_store(settings.store, settings.s3)
        found = collect(engine, store, user.home, older_than)
        store.close()
    click.echo(f"claims of names that were never finished: {found.claims}")
    click.echo(f"files without a name, reclaimed:           {found.orphans}")
    click.echo(f"markers of fenced creators, removed:       {found.tombstones}")
    click.echo(f"keys that no file uses, freed:             {found.keys}")
    click.echo(f"late uploads, removed:                     {found.late_puts}")
    click.echo(f"uploads that nobody goes on with, aborted: {found.uploads}")
    click.echo(f"uploads that were done but not recorded:   {found.rolled_forward}")
    for key in found.damaged:
        click.echo(f"MISSING in the store: {key}")
    for key in found.foreign:
        click.echo(f"not kumofs's, left alone: {key}")


COMMANDS = (gc,)
