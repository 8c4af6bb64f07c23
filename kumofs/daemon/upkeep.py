"""The background pass: what nobody meets again is collected, a while after the start and then every few hours."""

from __future__ import annotations

import logging
import time

import trio

from kumofs.errors import KumofsError
from kumofs.fs.drive import Drive
from kumofs.staging.collect import Findings, collect

log = logging.getLogger(__name__)

FIRST_S = 60.0
EVERY_S = 6 * 3600.0
BREATH_S = 0.05
"""Rest between two pages, so that a pass takes a fraction of one core."""


async def keep_up(drive: Drive) -> None:
    """Collect for ever."""
    await trio.sleep(FIRST_S)
    while True:
        if drive.access.ended is None and not drive.access.read_only:
            await one_pass(drive)
        await trio.sleep(EVERY_S)


async def abort_left(drive: Drive) -> None:
    """Abort uploads that an earlier mount died over: at the start, and then what this one could not abort itself."""
    while True:
        pause_s = EVERY_S
        if drive.access.ended is None and not drive.access.read_only:
            try:
                aborted = await trio.to_thread.run_sync(drive.area.begun.abort_left, drive.store, abandon_on_cancel=True)
                if aborted:
                    log.info("%d uploads that did not end are aborted", aborted)
            except KumofsError as problem:
                log.warning("uploads that did not end are aborted later: %s", problem)
                pause_s = FIRST_S
        await trio.sleep(pause_s)


async def one_pass(drive: Drive) -> None:
    """One pass, in a thread of its own."""
    try:
        found = await trio.to_thread.run_sync(quiet_pass, drive, abandon_on_cancel=True)
    except KumofsError as problem:
        log.warning("the background pass ended early: %s", problem)
        return
    if found != Findings():
        log.info("background pass: %s", found)


def quiet_pass(drive: Drive) -> Findings:
    """A pass that rests between its pages."""
    return collect(drive.engine, drive.store, drive.access.home, breathe=lambda: time.sleep(BREATH_S))
