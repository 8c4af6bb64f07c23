"""The bucket of one side in one round, looked at directly: bytes count as safe when they are listed here."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3

LOOK_S = 0.05
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Server:
    """An S3 server: `direct` for looking, `endpoint` for the sides (a proxy that delays, perhaps)."""

    direct: str
    endpoint: str
    access_key: str
    secret_key: str


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
        )
        self._client.create_bucket(Bucket=name)

    def objects(self) -> dict[str, tuple[int, str]]:
        """(size, etag) by key; folders that peers make of empty objects are left out, and so is what kumofs keeps for itself."""
        found: dict[str, tuple[int, str]] = {}
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name):
            for item in page.get("Contents", ()):
                if not item["Key"].endswith("/") and not item["Key"].startswith(".kumofs"):
                    found[item["Key"]] = (item["Size"], item["ETag"])
        return found

    def wait(self, check: Callable[[dict[str, tuple[int, str]]], bool], began_s: float) -> float:
        """Seconds since `began_s` until the objects are as wanted; infinity where they never are."""
        while not check(self.objects()):
            if time.perf_counter() - began_s > PATIENCE_S:
                return math.inf
            time.sleep(LOOK_S)
        return time.perf_counter() - began_s

    def remove(self) -> None:
        """Empty and remove it."""
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name):
            for item in page.get("Contents", ()):
                self._client.delete_object(Bucket=self.name, Key=item["Key"])
        self._client.delete_bucket(Bucket=self.name)
