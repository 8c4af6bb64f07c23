"""The bar of what a mount is bringing to an end."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kumofs.daemon.control import Message
from kumofs.errors import ControlRefused


def shown(title: str, messages: Iterator[Message]) -> int:
    """Show {"left": n} messages until the one that is done; how many could not be. ControlRefused where they end early."""
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None)
        total = 0
        for message in messages:
            left = int(message.get("left", 0))
            total = max(total, left)
            progress.update(task, total=total, completed=total - left)
            if message.get("done"):
                return int(message["failed"])
    raise ControlRefused("the mount ended before everything was done: what it staged is kept for the next mount")


def shown_bytes(title: str, messages: Iterator[Message]) -> Message:
    """Show {"bytes": n, "bytes_max": n} messages until the last one, which is returned. ControlRefused where they end early."""
    columns = (TextColumn(title), BarColumn(), DownloadColumn(binary_units=True), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None)
        for message in messages:
            if "bytes" not in message or message.get("done"):
                return message
            progress.update(task, total=message["bytes_max"], completed=message["bytes"])
    raise ControlRefused("the mount ended before everything was done")
