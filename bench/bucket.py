"""The bucket of one side in one round, looked at directly: bytes count as safe when they are listed here."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from bench.servers import Server

LOOK_S = 0.05
NO_FILE = re.compile(r"/$|^\.kumofs|^bench/(meta/|juicefs_uuid$)")
"""Keys of what is no file: folders that peers make of empty objects, and what kumofs and JuiceFS keep for themselves."""
THREADS = 16
Objects = dict[str, tuple[int, str]]
"""(size, etag) by key."""


class Bucket:
    """A fresh bucket."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=server.direct,
            region_name="us-east-1",
            aws_access_key_id=server.access_key,
            aws_secret_access_key=server.secret_key,
            config=Config(max_pool_connections=THREADS, connect_timeout=10, read_timeout=60),
        )
        self._client.create_bucket(Bucket=name)

    def objects(self) -> Objects:
        """Those that files are made of."""
        listed = ((item["Key"], (item["Size"], item["ETag"])) for item in self._contents())
        return {key: found for key, found in listed if not NO_FILE.search(key)}

    def wait(self, check: Callable[[Objects], bool], began_s: float, limit_s: float) -> float:
        """Seconds since `began_s` (of time.perf_counter) until the objects are as wanted; infinity where that takes longer than
        `limit_s`."""
        while True:
            looked_s = time.perf_counter()
            if check(self.objects()):
                return time.perf_counter() - began_s
            if looked_s - began_s > limit_s:
                return math.inf
            time.sleep(max(LOOK_S, 2 * (time.perf_counter() - looked_s)))  # looking must not slow down what is looked at

    def fill(self, names: Iterable[str], content: bytes) -> None:
        """Put objects straight into it."""
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda name: self._client.put_object(Bucket=self.name, Key=name, Body=content), names))

    def remove(self) -> None:
        """Empty and remove it as far as that goes; the servers' data are wiped in the end anyway."""
        with suppress(ClientError, BotoCoreError):
            keys = [{"Key": item["Key"]} for item in self._contents()]
            for start in range(0, len(keys), 1000):
                self._client.delete_objects(Bucket=self.name, Delete={"Objects": keys[start : start + 1000], "Quiet": True})
            self._client.delete_bucket(Bucket=self.name)

    def _contents(self) -> Iterable[dict[str, Any]]:
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name):
            yield from page.get("Contents", ())


def holds(sizes: Iterable[int], plain: bool) -> Callable[[Objects], bool]:
    """Whether files of these sizes are there, and nothing else. A side that is not `plain` cuts them up: then the sum has to be
    there. Files without a byte do not count."""
    wanted = sorted(size for size in sizes if size)

    def check(found: Objects) -> bool:
        there = sorted(size for size, _ in found.values() if size)
        return there == wanted if plain else sum(there) >= sum(wanted)

    return check


def replaced(before: Objects, size: int, plain: bool) -> Callable[[Objects], bool]:
    """Whether the one file was replaced by other content of this size. Of a side that is not `plain` the bucket does not tell:
    there closing is believed."""

    def check(found: Objects) -> bool:
        contents = set(found.values())
        return not plain or (len(found) == 1 and not contents & set(before.values()) and {s for s, _ in contents} == {size})

    return check
