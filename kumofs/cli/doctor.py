"""doctor: what is wrong, in plain words, and what to do; ends with the status of the first fault."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from queue import Empty, SimpleQueue

import click

from kumofs.cli.doctor_checks import OF_THE_MACHINE, OF_THE_SETTINGS, Doubt, Machine
from kumofs.cli.exit_status import OTHER, status_of
from kumofs.cli.signed_in import settings
from kumofs.config import Settings
from kumofs.errors import KumofsError

CHECK_S = 40.0
"""How long one check may take; every driver has a shorter deadline of its own."""
WIDTH = max(len(name) for name in (*OF_THE_MACHINE, *OF_THE_SETTINGS))


class Verdict(StrEnum):
    """What a check comes to."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


COLOURS = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's. `status` is what the command ends with for it, 0 unless it is a fault."""

    check: str
    verdict: Verdict
    text: str
    status: int = 0


def found(check: str, look: Callable[[], str], within_s: float = CHECK_S) -> Finding:
    """Run one check, in a thread that nobody waits for longer than `within_s`."""
    outcome: SimpleQueue[str | BaseException] = SimpleQueue()

    def run() -> None:
        try:
            outcome.put(look())
        except BaseException as problem:  # judged by whoever waits
            outcome.put(problem)

    threading.Thread(target=run, daemon=True, name=f"check {check}").start()
    try:
        return judged(check, outcome.get(timeout=within_s))
    except Empty:
        return Finding(check, Verdict.FAIL, f"no answer within {within_s:.0f} s: a disk or a server hangs", OTHER)


def judged(check: str, outcome: str | BaseException) -> Finding:
    """What a check's outcome means."""
    text = " ".join(str(outcome).split())
    match outcome:
        case str():
            return Finding(check, Verdict.OK, text)
        case Doubt():
            return Finding(check, Verdict.WARN, text)
        case KumofsError():
            return Finding(check, Verdict.FAIL, text or type(outcome).__name__, status_of(outcome))
        case _:
            return Finding(check, Verdict.FAIL, f"{type(outcome).__name__}: {text}", OTHER)


def examine() -> Iterator[Finding]:
    """Every check that can be made, in order."""
    machine = Machine()
    for name, of_machine in OF_THE_MACHINE.items():
        yield found(name, partial(of_machine, machine))
    known: list[Settings] = []
    yield found("settings", lambda: read_settings(known))
    for name, of_settings in OF_THE_SETTINGS.items() if known else ():
        yield found(name, partial(of_settings, known[0]))


def read_settings(known: list[Settings]) -> str:
    """The settings, into `known`. ConfigError."""
    known.append(settings())
    path = known[0].config_dir / "config.toml"
    return f"{path if path.exists() else f'no {path}'}, the environment and the flags: well-formed"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A list of {check, verdict, text, status}.")
def doctor(as_json: bool) -> None:
    """Say what is wrong and what to do; ends with the status of the first fault."""
    findings = list(examine())
    if as_json:
        click.echo(json.dumps([asdict(each) for each in findings], indent=2, ensure_ascii=False))
    else:
        for each in findings:
            click.echo(f"{click.style(f'{each.verdict:4}', fg=COLOURS[each.verdict])}  {each.check:{WIDTH}}  {each.text}")
    sys.exit(next((each.status for each in findings if each.status), 0))


COMMANDS = (doctor,)
