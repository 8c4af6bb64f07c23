"""`python -m bench`: starts servers, mounts each side in turn, several rounds, and prints medians and ratios."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bench.bucket import Bucket, Server
from bench.sides import SIDES, Side
from bench.workloads import WORKLOADS, Seconds, Sizes, material

SERVICES = Path(__file__).resolve().parent.parent / "scripts" / "services"
PORTS = ("MINIO", "VERSITYGW", "MONGO", "TOXIPROXY")
Found = dict[str, dict[str, list[float]]]


@click.command()
@click.option("--rounds", default=5, show_default=True)
@click.option("--side", "sides", multiple=True, type=click.Choice(list(SIDES)), default=list(SIDES), show_default=True)
@click.option("--workload", "workloads", multiple=True, type=click.Choice(list(WORKLOADS)), default=list(WORKLOADS))
@click.option("--store", type=click.Choice(["minio", "versitygw"]), default="minio", show_default=True)
@click.option("--catalog", type=click.Choice(["sqlite", "mongodb"]), default="sqlite", show_default=True, help="kumofs's.")
@click.option("--delay-ms", default=0, help="Before each answer of the S3 server.")
@click.option("--files", default=2000, show_default=True)
@click.option("--big-mib", default=512, show_default=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="All samples, too.")
def main(
    rounds: int,
    sides: tuple[str, ...],
    workloads: tuple[str, ...],
    store: str,
    catalog: str,
    delay_ms: int,
    files: int,
    big_mib: int,
    json_path: Path | None,
) -> None:
    """Measure kumofs beside its peers. Needs root, for the kernel's cache has to be emptied."""
    if os.geteuid() != 0:
        raise click.UsageError("run it as root: the kernel's cache has to be emptied for cold reads")
    sizes = Sizes(files=files, big_bytes=big_mib << 20)
    found: Found = {}
    with tempfile.TemporaryDirectory(prefix="bench") as name, servers(Path(name), store, delay_ms) as (server, mongodb):
        base = Path(name)
        material(base / "material", sizes)
        for number in range(rounds):
            for title in sides:
                place = base / f"{number}-{title.replace(' ', '')}"
                place.mkdir()
                took = one(
                    title,
                    place,
                    Bucket(server, f"bench-{number}-{list(SIDES).index(title)}"),
                    base,
                    sizes,
                    workloads,
                    mongodb if catalog == "mongodb" else None,
                )
                for step, seconds in took.items():
                    found.setdefault(step, {}).setdefault(title, []).append(seconds)
                shutil.rmtree(place)
                Console(stderr=True).print(f"round {number + 1} of {rounds}: {title} done")
    title = f"{store}, {catalog}, {delay_ms} ms, medians of {rounds}; {files} files of 1–64 KiB, big file {big_mib} MiB"
    show(found, title, list(sides))
    if json_path is not None:
        json_path.write_text(json.dumps({"title": title, "seconds": found}, indent=1))


def one(
    title: str, place: Path, bucket: Bucket, base: Path, sizes: Sizes, workloads: tuple[str, ...], catalog: str | None
) -> Seconds:
    """All workloads on one side, in a fresh bucket."""
    side: Side = SIDES[title](place, bucket, catalog)
    side.mount()
    took: Seconds = {}
    try:
        for name in workloads:
            took |= WORKLOADS[name](side, bucket, base / "material", sizes)
        took["(peak memory of the daemon, MiB)"] = peak_mib(side.pid)
        took["(CPU of the last daemon, s)"] = cpu_s(side.pid)
    finally:
        side.unmount()
        bucket.remove()
    return took


def peak_mib(pid: int) -> float:
    """The most memory that the process held since it was started."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def cpu_s(pid: int) -> float:
    """User and system time of the process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def servers(base: Path, store: str, delay_ms: int) -> Iterator[tuple[Server, str]]:
    """Servers of our own on free ports; (the S3 server, MongoDB's URL). They are gone at the end."""
    environ = {**os.environ, "KUMOFS_SERVICES_DIR": str(base / "services"), **{f"KUMOFS_{name}_PORT": "0" for name in PORTS}}

    def services(*arguments: str) -> str:
        return subprocess.run([str(SERVICES), *arguments], env=environ, check=True, capture_output=True, text=True).stdout

    services("install")
    services("start", store, "mongo", "toxiproxy")
    try:
        shell = f'eval "$({SERVICES} env {store} mongo toxiproxy)"; env -0'
        lines = subprocess.run(["bash", "-c", shell], env=environ, check=True, capture_output=True, text=True).stdout.split("\0")
        told = dict(line.split("=", 1) for line in lines if "=" in line)
        config = configparser.ConfigParser()
        config.read(told["AWS_SHARED_CREDENTIALS_FILE"])
        keys = next(dict(config[name]) for name in config.sections())
        direct = told["KUMOFS_TEST_S3"]
        endpoint = delayed(told["KUMOFS_TEST_TOXIPROXY"], direct, delay_ms) if delay_ms else direct
        yield Server(direct, endpoint, keys["aws_access_key_id"], keys["aws_secret_access_key"]), told["KUMOFS_TEST_MONGODB"]
    finally:
        services("wipe")


def delayed(toxiproxy: str, direct: str, delay_ms: int) -> str:
    """The address of a proxy whose answers come so much later."""
    proxy = {"name": "s3", "listen": "127.0.0.1:0", "upstream": direct.removeprefix("http://"), "enabled": True}
    listen = asked(f"{toxiproxy}/proxies", proxy)["listen"]
    latency = {"type": "latency", "stream": "downstream", "attributes": {"latency": delay_ms}}
    asked(f"{toxiproxy}/proxies/s3/toxics", latency)
    return f"http://{listen}"


def asked(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        made: dict[str, Any] = json.load(answer)
        return made


def show(found: Found, title: str, sides: list[str]) -> None:
    """Medians with their ranges, and kumofs's ratio to the best peer."""
    peers = [side for side in sides if not side.startswith("kumofs")]
    table = Table("seconds", *sides, *(["kumofs / best peer"] if peers and "kumofs" in sides else []), title=title)
    for step, taken in found.items():
        medians = {side: statistics.median(taken[side]) for side in sides}
        cells = [f"{medians[side]:.3f} ({min(taken[side]):.2f}–{max(taken[side]):.2f})" for side in sides]
        ratio = [f"{medians['kumofs'] / min(medians[side] for side in peers):.2f}"] if len(table.columns) > len(sides) + 1 else []
        table.add_row(step, *cells, *ratio)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
