"""What a service manager is told: sd_notify's datagrams to the socket that `NOTIFY_SOCKET` names, and its watchdog.

    READY=1       once the mount answers, not before
    STATUS=...    a line for `systemctl status`
    WATCHDOG=1    at half the time that `WATCHDOG_USEC` allows, and only while the loop lives and the mount answers
    STOPPING=1    when the mount ends; uploads may go on after it

Without `NOTIFY_SOCKET` nothing is done.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Callable, MutableMapping
from pathlib import Path

import trio

log = logging.getLogger(__name__)

STATUS_S = 10.0
"""How often the status is told where there is no watchdog."""
GONE = {errno.ENOTCONN, errno.ECONNABORTED, errno.ENODEV}


class Service:
    """The line to the service manager. `watchdog_s` None: nobody waits for signs of life."""

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        self._address = f"\0{address[1:]}" if address is not None and address.startswith("@") else address
        self.watchdog_s = watchdog_s

    @classmethod
    def taken_from(cls, environ: MutableMapping[str, str]) -> Service:
        """The service manager that the environment names; the variables are taken out, for they are not our children's."""
        address, pid, time_us = (environ.pop(name, None) for name in ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"))
        ours = time_us is not None and time_us.isdecimal() and pid in (None, str(os.getpid()))
        usable = address is not None and address[:1] in ("/", "@") and len(address) > 1
        return cls(address if usable else None, int(time_us) / 1e6 if ours and time_us and int(time_us) else None)

    @property
    def listens(self) -> bool:
        """Whether there is anybody to tell."""
        return self._address is not None

    def tell(self, **state: str | int) -> None:
        """Send one message, such as READY=1. Nobody waits for it, and a fault is only logged."""
        if self._address is None:
            return
        text = "\n".join(f"{name}={' '.join(str(value).split())}" for name, value in state.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.setblocking(False)
                line.sendto(text.encode(), self._address)
        except OSError as problem:
            log.warning("the service manager was not told %s: %s", ", ".join(state), problem)

    async def accompany(self, mount_point: Path, status: Callable[[], str]) -> None:
        """Tell that the mount answers when it does, and go on telling; returns at once where nobody listens."""
        if not self.listens:
            return
        period_s = self.watchdog_s / 2 if self.watchdog_s else STATUS_S
        probe = Probe(mount_point)
        while not await probe.answers(period_s):
            continue
        self.tell(READY=1, STATUS=status())
        while True:
            await trio.sleep(period_s)
            if await probe.answers(period_s / 2):
                self.tell(WATCHDOG=1, STATUS=status())
            else:
                log.error("the mount %s does not answer", mount_point)


class Probe:
    """Asks the mount something that only its own loop can answer, from a thread, one question at a time."""

    def __init__(self, mount_point: Path) -> None:
        self._mount_point = mount_point
        self._one = trio.CapacityLimiter(1)

    async def answers(self, within_s: float) -> bool:
        """Whether it answers in time."""
        with trio.move_on_after(within_s):
            return await trio.to_thread.run_sync(self._ask, abandon_on_cancel=True, limiter=self._one)
        return False

    def _ask(self) -> bool:
        try:
            os.getxattr(self._mount_point, "user.kumo.owner")  # answered from memory, and never by the kernel's
        except OSError as problem:
            return problem.errno not in GONE  # a refusal is an answer
        return True
