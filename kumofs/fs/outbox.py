"""The outbox: files that were closed and whose bytes are not in the store yet. Their upload happens here, in the background.

A file comes in when it is closed (`add`) or when an upload failed (`put_off`), and leaves when its bytes are committed, or
it has no name any more (`discard`). Failed uploads are tried again for ever, after longer and longer pauses; nothing is
dropped. Touched on the event loop only.
"""

from __future__ import annotations

import heapq
import logging
import math
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from itertools import count

import trio

from kumofs.errors import KumofsError, NoSpace, StoreFull, StoreRefused
from kumofs.fs.node import Node
from kumofs.staging.area import StagingArea

log = logging.getLogger(__name__)

SENDERS = 32
GIVE_WAY_S = 0.1
"""Uploads wait while files are being closed: each takes the interpreter from whoever copies files in, and a name that is
about to be renamed (a save by temporary name) is not uploaded under its first one."""
GIVE_WAY_MAX_S = 2.0
RETRY_FIRST_S = 1.0
RETRY_MAX_S = 60.0
RETRY_REFUSED_S = 30.0
"""After a refusal (credentials, quota): only a person can help, or `kumofs sync`."""
ROOM_S = 25.0
"""How long a writer waits for room before it is told that there is none; under a request's deadline."""
RATE_S = 30.0


@dataclass(slots=True, eq=False)
class Parcel:
    """A file that waits. Times are trio's; `tries` failed so far."""

    node: Node
    since_s: float
    due_s: float
    tries: int = 0
    sending: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is still on its way: how much, the oldest one's age, what went wrong last, what went out lately."""

    files: int
    size_bytes: int
    oldest_s: float
    failed: int
    last_error: str | None
    rate_bytes_s: float


class Outbox:
    """What waits, and its order; `area` says how much room there is for more."""

    def __init__(self, area: StagingArea) -> None:
        self._area = area
        self._parcels: dict[Node, Parcel] = {}
        self._due: list[tuple[float, int, Parcel]] = []
        self._numbers = count()
        self._changed = trio.Event()
        self._earlier = trio.Event()
        self._last_add_s = -math.inf
        self._last_error: str | None = None
        self._sent: deque[tuple[float, int]] = deque()
        self._sending = 0

    def __len__(self) -> int:
        return len(self._parcels)

    def __contains__(self, node: Node) -> bool:
        return node in self._parcels

    def add(self, node: Node) -> None:
        """The file was closed: it is sent as soon as nothing else is being closed."""
        self._last_add_s = now_s = trio.current_time()
        if node not in self._parcels:
            self._put(node, Parcel(node, now_s, now_s))

    def put_off(self, node: Node, problem: KumofsError) -> None:
        """The upload failed: it is tried again later."""
        now_s = trio.current_time()
        parcel = self._parcels.get(node) or Parcel(node, now_s, now_s)
        parcel.tries += 1
        parcel.due_s = now_s + pause_s(parcel.tries, problem)
        self._last_error = str(problem) or type(problem).__name__
        self._put(node, parcel)
        self._wake()

    def discard(self, node: Node) -> None:
        """The bytes are in the store, or not wanted any more."""
        parcel = self._parcels.pop(node, None)
        if parcel is not None:
            self._sent.append((trio.current_time(), node.size))
            self._wake()

    def retry_now(self) -> None:
        """Try everything that waits for its time at once."""
        for node, parcel in self._parcels.items():
            parcel.due_s = trio.current_time()
            self._put(node, parcel)

    async def run(self, send: Callable[[Node], Awaitable[None]]) -> None:
        """Send with `send` for ever, at most `SENDERS` files at a time. It puts a file off itself where that fails."""
        free = trio.Semaphore(SENDERS)
        async with trio.open_nursery() as nursery:
            while True:
                await free.acquire()
                parcel = await self._next()
                parcel.sending = True
                self._sending += 1
                nursery.start_soon(self._send, send, parcel, free)

    async def wait_sent(self, nodes: list[Node]) -> AsyncIterator[tuple[int, int]]:
        """(left, failed) now and after each change, until each of the files was sent or failed once more."""
        began = {node: parcel.tries for node in nodes if (parcel := self._parcels.get(node)) is not None}
        self.retry_now()
        while True:
            changed = self._changed  # of now: what changes while the caller tells of this step is not missed
            here = [(parcel.tries, tries) for node, tries in began.items() if (parcel := self._parcels.get(node)) is not None]
            failed = sum(tries > before for tries, before in here)
            yield len(here), failed
            if len(here) == failed:
                return
            await changed.wait()

    async def wait_idle(self) -> None:
        """Wait until nothing is being sent."""
        while self._sending:
            await self._changed.wait()

    async def wait_room(self, more_bytes: int) -> None:
        """Wait until that much may be staged. NoSpace where nothing goes out for a while."""
        deadline_s = trio.current_time() + ROOM_S
        while self._parcels and not self._area.has_room(more_bytes):
            with trio.move_on_at(deadline_s) as scope:
                await self._changed.wait()
            if scope.cancelled_caught:
                raise NoSpace("the staging area is full, and what is in it cannot be uploaded for now: see `kumofs status`")

    def waiting(self) -> Waiting:
        """What `kumofs status` shows."""
        now_s = trio.current_time()
        while self._sent and self._sent[0][0] < now_s - RATE_S:
            self._sent.popleft()
        parcels = self._parcels.values()
        return Waiting(
            files=len(parcels),
            size_bytes=sum(parcel.node.size for parcel in parcels),
            oldest_s=max((now_s - parcel.since_s for parcel in parcels), default=0.0),
            failed=sum(parcel.tries > 0 for parcel in parcels),
            last_error=self._last_error if parcels else None,
            rate_bytes_s=sum(size for _, size in self._sent) / RATE_S,
        )

    def nodes(self) -> list[Node]:
        """The files that wait, the longest first."""
        return list(self._parcels)

    def _put(self, node: Node, parcel: Parcel) -> None:
        self._parcels[node] = parcel
        heapq.heappush(self._due, (parcel.due_s, next(self._numbers), parcel))
        if self._due[0][2] is parcel:
            self._earlier.set()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _send(self, send: Callable[[Node], Awaitable[None]], parcel: Parcel, free: trio.Semaphore) -> None:
        tries = parcel.tries
        try:
            await send(parcel.node)
        except KumofsError as problem:
            log.debug("put off: %s", problem)
        finally:
            parcel.sending = False
            self._sending -= 1
            if parcel.tries > tries and self._parcels.get(parcel.node) is parcel:
                self._put(parcel.node, parcel)  # what was noted while it was still being sent is gone
            free.release()
            self._wake()

    async def _next(self) -> Parcel:
        """The next file to send, no more among those that are due; waits until there is one and nobody is in a hurry."""
        while True:
            parcel, ready_s = self._first()
            if parcel is not None and ready_s <= trio.current_time():
                heapq.heappop(self._due)
                return parcel
            # one task waits here, and only what comes to be first wakes it: a wake-up for each file closed costs more
            self._earlier = trio.Event()
            with trio.move_on_at(ready_s):
                await self._earlier.wait()

    def _first(self) -> tuple[Parcel | None, float]:
        """The first file that waits, and when it may be sent."""
        while self._due:
            due_s, _, parcel = self._due[0]
            if self._parcels.get(parcel.node) is parcel and not parcel.sending and parcel.due_s <= due_s:
                return parcel, max(due_s, min(self._last_add_s + GIVE_WAY_S, parcel.since_s + GIVE_WAY_MAX_S))
            heapq.heappop(self._due)  # sent, or put off, since this was noted
        return None, math.inf


def pause_s(tries: int, problem: KumofsError) -> float:
    """How long until the next try: doubling, with jitter, so that what failed together does not come back together."""
    if isinstance(problem, (StoreRefused, StoreFull)):
        return RETRY_REFUSED_S * random.uniform(0.8, 1.2)  # noqa: S311  (not a secret)
    return float(min(RETRY_MAX_S, RETRY_FIRST_S * 2 ** (tries - 1)) * random.uniform(0.5, 1.0))  # noqa: S311
