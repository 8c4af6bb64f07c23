"""`python -m bench run` measures; `python -m bench report RESULTS.JSON` shows and draws again what was measured."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from bench.charts import draw
from bench.machine import command_line, machine, now, versions
from bench.material import make_material
from bench.peers import KUMOFS, RECIPES, find_peers, make_sides
from bench.report import show, width
from bench.results import Results, load
from bench.rounds import Rounds
from bench.servers import servers
from bench.sizes import FULL, MIDDLE, QUICK, Sizes
from bench.workloads import WORKLOADS

ROUNDS = {QUICK.scale: 1, MIDDLE.scale: 5, FULL.scale: 5}
LIMIT_S = {QUICK.scale: 30.0, MIDDLE.scale: 120.0, FULL.scale: 300.0}
SCALES = {sizes.scale: sizes for sizes in (QUICK, MIDDLE, FULL)}
COUNT = click.IntRange(min=2)


@click.group()
def main() -> None:
    """Measure kumofs beside its peers: docs/bench.md."""


class NamedPath(click.ParamType[tuple[str, str]]):
    """NAME=PATH of a peer's binary."""

    name = "NAME=PATH"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """(name, path)"""
        name, equals, path = value.partition("=")
        if name not in RECIPES or not equals:
            self.fail(f"{value!r}: NAME=PATH with one of {', '.join(RECIPES)}", param, ctx)
        program = shutil.which(path)
        if program is None:
            self.fail(f"{path!r} is not a program", param, ctx)
        return name, str(Path(program).resolve())


@main.command()
@click.option("--quick", "scale", flag_value=QUICK.scale, help="Little of everything, one round: minutes.")
@click.option("--full", "scale", flag_value=FULL.scale, help="1 GiB, 10,000 files listed, 100,000 for memory: hours.")
@click.option("--rounds", type=click.IntRange(min=1), help="5; 1 with --quick.")
@click.option("--side", "chosen", multiple=True, help="Only these; all that are found.")
@click.option("--peer", "named", multiple=True, type=NamedPath(), help=f"A peer's binary: one of {', '.join(RECIPES)}.")
@click.option("--workload", "workloads", multiple=True, type=click.Choice(list(WORKLOADS)), default=list(WORKLOADS))
@click.option("--store", type=click.Choice(["minio", "versitygw"]), default="minio", show_default=True)
@click.option("--catalog", type=click.Choice(["sqlite", "mongodb"]), default="sqlite", show_default=True, help="kumofs's.")
@click.option("--delay-ms", type=click.IntRange(min=0), default=0, help="Before each answer of the S3 server.")
@click.option("--files", type=COUNT, help="Small files.")
@click.option("--big-mib", type=COUNT, help="The big file.")
@click.option("--listed", type=COUNT, help="Files that are listed.")
@click.option("--entries", type=COUNT, help="Files after whose listing memory is looked at.")
@click.option("--reads", type=COUNT, help="Random reads.")
@click.option("--tree-files", type=COUNT, help="Files of the source tree.")
@click.option("--limit-s", type=click.FloatRange(min=1), help="A step that takes longer is stopped: 30, 120, 300 by scale.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Table, JSON and charts; bench-results/DATE.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="All samples, here too.")
def run(
    scale: str | None,
    rounds: int | None,
    chosen: tuple[str, ...],
    named: tuple[tuple[str, str], ...],
    workloads: tuple[str, ...],
    store: str,
    catalog: str,
    delay_ms: int,
    limit_s: float | None,
    out: Path | None,
    json_path: Path | None,
    **counts: int | None,
) -> None:
    """Start servers, mount each side in turn, several rounds; write a table, JSON and charts. Needs root."""
    if os.geteuid() != 0:
        raise click.UsageError("run it as root: the kernel's cache has to be emptied for cold reads")
    sizes = chosen_sizes(scale or MIDDLE.scale, counts)
    rounds, limit_s = rounds or ROUNDS[sizes.scale], limit_s or LIMIT_S[sizes.scale]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # mounts and servers are not left behind
    console = Console(stderr=True)
    programs = find_peers(dict(named))
    sides = choose_sides(list(chosen), programs, console)
    date = now()
    out = out or Path("bench-results") / f"{date[:19].replace(':', '')}-{store}-{delay_ms}ms"
    out.mkdir(parents=True, exist_ok=True)
    results = Results(
        about={
            "title": title(sizes, rounds, store, catalog, delay_ms),
            "date": date,
            "command": command_line(),
            "machine": machine(),
            "versions": versions({name: path for name, path in programs.items() if name in sides}, [store]),
            "store": store,
            "catalog": catalog,
            "delay_ms": delay_ms,
            "rounds": rounds,
            "limit_s": limit_s,
            "sizes": asdict(sizes),
        },
        sides=sides,
    )
    kinds = {name: kind for name, kind in make_sides(programs).items() if name in sides}
    with tempfile.TemporaryDirectory(prefix="bench") as name:
        base = Path(name).resolve()
        make_material(base / "material", sizes)
        with servers(base, store, catalog, delay_ms) as (server, mongodb):
            todo = [WORKLOADS[workload] for workload in dict.fromkeys(workloads)]
            try:
                Rounds(base, server, mongodb, kinds, todo, sizes, limit_s, results, console).run(rounds)
            finally:
                write(results, out, json_path)


@main.command()
@click.argument("results_json", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Draw the charts anew, here.")
def report(results_json: Path, out: Path | None) -> None:
    """Show the table of what was measured before."""
    results = load(results_json)
    show(results, Console(width=width(results)))
    if out is not None:
        draw(results, out)


def chosen_sizes(scale: str, counts: dict[str, int | None]) -> Sizes:
    """Those of the scale, but for what was said."""
    said = {name: count for name, count in counts.items() if count is not None}
    if "big_mib" in said:
        said["big_bytes"] = said.pop("big_mib") << 20
    return Sizes(**{**asdict(SCALES[scale]), **said})


def choose_sides(chosen: list[str], programs: dict[str, str], console: Console) -> list[str]:
    """Those that were named, else all that are there. What is not there is said."""
    there = [*KUMOFS, *programs]
    if unknown := [name for name in chosen if name not in (*KUMOFS, *RECIPES)]:
        raise click.UsageError(f"no side is called {unknown[0]!r}; there are {', '.join((*KUMOFS, *RECIPES))}")
    for name in RECIPES:
        if name not in programs and (not chosen or name in chosen):
            console.print(f"{name} is not found and left out: --peer {name}=PATH names its binary", highlight=False)
    sides = [name for name in there if not chosen or name in chosen]
    if not sides:
        raise click.UsageError("none of these sides is there")
    return sides


def title(sizes: Sizes, rounds: int, store: str, catalog: str, delay_ms: int) -> str:
    where = f"{store}, {f'{delay_ms} ms away' if delay_ms else 'on loopback'}, kumofs on {catalog}"
    what = f"{sizes.files:,} small files, a file of {sizes.big_bytes >> 20:,} MiB, {sizes.listed:,} listed"
    return f"{where}; {rounds} round{'s' if rounds > 1 else ''}; {what}"


def write(results: Results, out: Path, json_path: Path | None) -> None:
    """table.txt, results.json, and the charts; the table to the terminal, too."""
    for path in (out / "results.json", *([json_path] if json_path else [])):
        results.save(path)
    with open(out / "table.txt", "w") as file:
        show(results, Console(file=file, width=width(results)))
    draw(results, out)
    console = Console()
    show(results, console if console.is_terminal else Console(width=width(results)))
    Console(stderr=True).print(f"written to {out}", highlight=False)


if __name__ == "__main__":
    main()
