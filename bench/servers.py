"""The servers of one run, started by scripts/services on free ports with data of their own, and gone at the end."""

from __future__ import annotations

import configparser
import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVICES = Path(__file__).resolve().parent.parent / "scripts" / "services"
PORTS = ("MINIO", "VERSITYGW", "MONGO", "TOXIPROXY")


@dataclass(frozen=True)
class Server:
    """An S3 server: `direct` for looking, `endpoint` for the sides (a proxy that delays or counts, perhaps)."""

    direct: str
    endpoint: str
    access_key: str
    secret_key: str


@contextmanager
def servers(base: Path, store: str, catalog: str, delay_ms: int) -> Iterator[tuple[Server, str | None]]:
    """(the S3 server, MongoDB's URL or None); only what this run needs is installed and started."""
    environ = {**os.environ, "KUMOFS_SERVICES_DIR": str(base / "services"), **{f"KUMOFS_{name}_PORT": "0" for name in PORTS}}
    names = [store, *(["mongo"] if catalog == "mongodb" else []), *(["toxiproxy"] if delay_ms else [])]

    def services(*arguments: str) -> None:
        done = subprocess.run([str(SERVICES), *arguments], check=False, env=environ, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"scripts/services {arguments[0]}: {done.stderr.strip()}")

    services("install", *names)
    try:
        services("start", *names)
        told = environment(names, environ)
        direct = told["KUMOFS_TEST_S3"]
        endpoint = delayed(told["KUMOFS_TEST_TOXIPROXY"], direct, delay_ms) if delay_ms else direct
        config = configparser.ConfigParser()
        config.read(told["AWS_SHARED_CREDENTIALS_FILE"])
        keys = next(dict(config[name]) for name in config.sections())
        yield Server(direct, endpoint, keys["aws_access_key_id"], keys["aws_secret_access_key"]), told.get("KUMOFS_TEST_MONGODB")
    finally:
        services("wipe")


def environment(names: list[str], environ: dict[str, str]) -> dict[str, str]:
    """What `scripts/services env` tells."""
    shell = f'eval "$({SERVICES} env {" ".join(names)})"; env -0'
    clean = {name: value for name, value in environ.items() if not name.startswith("KUMOFS_TEST_")}
    done = subprocess.run(["bash", "-c", shell], env=clean, check=True, capture_output=True, text=True)
    return dict(line.split("=", 1) for line in done.stdout.split("\0") if "=" in line)


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


def server_version(name: str) -> str:
    """What scripts/services has installed."""
    stamp = SERVICES.parent.parent / ".services" / "bin" / f"{name}.version"
    return stamp.read_text() if stamp.exists() else "unknown"
