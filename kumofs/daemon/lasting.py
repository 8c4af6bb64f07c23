"""Lasting: what goes on in the background as long as a mount does, whatever it meets."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVarTuple

import trio

log = logging.getLogger(__name__)
Args = TypeVarTuple("Args")

AGAIN_S = 1.0


async def lasting(task: Callable[[*Args], Awaitable[None]], *args: *Args) -> None:
    """Run a task to its end. What it raises is a mistake in kumofs: it is a log record, and the task begins anew.

    Left to itself it would end the mount, and with it everything that people have open in it.
    """
    while True:
        try:
            return await task(*args)
        except Exception:
            log.exception("%s failed; it begins anew", getattr(task, "__qualname__", task))
            await trio.sleep(AGAIN_S)
