"""Watching the session: when it ends (expired, signed out, password changed), the mount may do nothing any more."""

from __future__ import annotations

import logging

import trio

from kumofs.accounts.sessions import check_session
from kumofs.errors import CatalogUnavailable, SessionEnded
from kumofs.fs.drive import Drive

log = logging.getLogger(__name__)

CHECK_S = 10.0
"""Well inside the 60 s in which a change of password has to reach a running mount."""


async def watch(drive: Drive, token: str) -> None:
    """Check the session until it ends."""
    while drive.access.ended is None:
        await trio.sleep(CHECK_S)
        try:
            await drive.catalog.run(check_session, drive.engine, token)
        except SessionEnded as problem:
            log.warning("%s; what is staged is kept", problem)
            drive.access.end(str(problem))
        except CatalogUnavailable:
            continue  # says nothing about the session
