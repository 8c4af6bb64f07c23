"""init: the directories, the catalog and the store, checked and set up."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import NamedTuple

import click
from rich.console import Console
from rich.table import Column, Table

from kumofs.catalog import open_engine
from kumofs.catalog.atomicity import explanation, try_atomicity
from kumofs.cli.signed_in import settings
from kumofs.config import NUMBERS, OVERRIDABLE, Settings, make_private_dir, shown, variable
from kumofs.errors import ConfigError
from kumofs.store.protocol import Capabilities
from kumofs.store.setting_up import set_up_store, survey
from kumofs.store.steps import Outcome, Step

WIDE = 10_000


class Words(NamedTuple):
    """A capability for people: its name, what follows where it is there, and where it is not ('': not worth a line)."""

    name: str
    there: str
    lacking: str


ABILITIES = {
    "conditional_put": Words(
        "conditional PUT", "no write replaces what it has not seen", "a race of two machines may lose one write"
    ),
    "conditional_delete": Words(
        "conditional delete", "no delete removes what it has not seen", "keys are freed by version, or after a wait"
    ),
    "conditional_copy": Words("conditional copy", "no copy replaces what it has not seen", "copies are compared afterwards"),
    "copy_parts": Words("copy of parts", "a small edit of a large file uploads only that", "an edited file is uploaded whole"),
    "versions": Words("versions", "what is overwritten or deleted is kept", "what is overwritten or deleted is gone"),
    "object_lock": Words("Object Lock", "files can be made unchangeable", "files of this bucket cannot be made unchangeable"),
    "sse": Words("encryption (SSE)", "the server encrypts when asked to", "objects lie there as they are"),
    "many_at_once": Words("many deletions at once", "a folder goes in a few requests", ""),
    "local_files": Words("files on this machine", "a staged file becomes the object itself", ""),
}
"""Capability: its words."""


@click.command()
@click.option("--yes", "-y", is_flag=True, help="Ask nothing. Without a terminal nothing is asked anyway.")
def init(yes: bool) -> None:
    """Check and set up the directories, the catalog and the store; as often as you like."""
    found = settings()
    click.echo(f"catalog: {shown(found.catalog)}\nstore:   {shown(found.store)}")
    if not yes and sys.stdin.isatty():
        click.confirm("Set these up?", default=True, abort=True, err=True)
    steps = [*directories(found), catalog(found), *set_up_store(found.store, found.s3)]
    capabilities = survey(found.store, found.s3)
    console = Console(width=None if sys.stdout.isatty() else WIDE, highlight=False, markup=False)
    console.print(step_table(steps))
    console.print(ability_table(capabilities))
    for line in hints(found):
        click.echo(line)


def directories(found: Settings) -> Iterator[Step]:
    """kumofs's own directories, each for this user alone. ConfigError."""
    places = {"settings": found.config_dir, "data": found.data_dir, "staged bytes": found.state_dir, "sockets": found.runtime_dir}
    for name, path in places.items():
        there = path.is_dir()
        yield Step(name, Outcome.FOUND if there else Outcome.DONE, str(make_private_dir(path)))


def catalog(found: Settings) -> Step:
    """The catalog with its indexes, tried. CatalogUnavailable; ConfigError where it is not atomic."""
    engine = open_engine(found.catalog)
    try:
        trial = try_atomicity(engine)
    finally:
        engine.close()
    if not trial.is_atomic:
        raise ConfigError(explanation(trial))
    return Step("catalog", Outcome.FOUND, f"indexes are there; atomic ({trial.increments} increments, {trial.rounds} rounds)")


def step_table(steps: list[Step]) -> Table:
    """What was done."""
    table = Table(Column("set up"), Column("outcome"), Column("", overflow="fold"), box=None)
    for step in steps:
        table.add_row(step.name, step.outcome.value, step.note)
    return table


def ability_table(capabilities: Capabilities) -> Table:
    """What the store can do."""
    table = Table(Column("the store can do"), Column(""), Column("so", overflow="fold"), box=None)
    for field, has in asdict(capabilities).items():
        if isinstance(has, bool) and (has or ABILITIES[field].lacking):
            words = ABILITIES[field]
            table.add_row(words.name, "yes" if has else "no", words.there if has else words.lacking)
    return table


def hints(found: Settings) -> Iterator[str]:
    """What to write into config.toml, where flags or the environment chose something."""
    given = [(key, os.environ[variable(key)]) for key in OVERRIDABLE if os.environ.get(variable(key))]
    if given:
        yield f"To use these without flags, write into {found.config_dir / 'config.toml'}:"
        for key, value in given:
            yield f"    {key} = {value if key in NUMBERS else json.dumps(value)}"
    yield "Next: kumofs signup EMAIL, or kumofs signin EMAIL; kumofs doctor says what is wrong, if anything is."


COMMANDS = (init,)
