"""The one crossing from the event loop into threads.

A `Lane` is one resource with its own bound on threads. What is local and quick is called on the loop itself: a hop into
a thread and back costs 0.1 to 0.2 ms, an insert into SQLite 0.03 ms. Threads are our own, for a hop
by `trio.to_thread` takes two to four times as much CPU.

Who waits for a thread may be cancelled (each FUSE request has a deadline): the call then goes on without it, and keeps
its place among the threads until it ends. What must not be left halfway, because a lock is held meanwhile, is run by
`to_the_end`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar, TypeVarTuple, cast

import trio
from outcome import Outcome, capture

from kumofs.errors import CatalogUnavailable

T = TypeVar("T")
Args = TypeVarTuple("Args")

IDLE_S = 10.0
"""A thread that has nothing to do for so long ends."""
SLOW_S = 10.0
"""After a quick resource did not answer its calls wait in threads for so long, and the loop goes on."""


class Lane:
    """Calls of one resource: on the loop if it is quick, else in at most `threads` threads at a time."""

    def __init__(self, threads: int, quick: bool = False) -> None:
        self._crew = Crew(threads, Call.work, Call.done)
        self._quick = quick
        self._slow_until_s = 0.0

    async def run(self, function: Callable[[*Args], T], *args: *Args) -> T:
        """The function's result. Who is cancelled does not wait; the call goes on."""
        if not self._quick or self._is_slow():
            return await self.run_in_thread(function, *args)
        try:
            return function(*args)
        except CatalogUnavailable:
            self._slow_until_s = trio.current_time() + SLOW_S
            raise

    async def run_in_thread(self, function: Callable[[*Args], T], *args: *Args) -> T:
        """The same, off the loop even where the resource is quick: for what may take long."""
        await trio.lowlevel.checkpoint_if_cancelled()
        call = Call(function, args)
        self._crew.put(call)
        return cast(T, await trio.lowlevel.wait_task_rescheduled(call.abandon))

    def _is_slow(self) -> bool:
        return self._slow_until_s > 0.0 and trio.current_time() < self._slow_until_s


class Call:
    """A function that a task waits for."""

    __slots__ = ("_args", "_function", "_outcome", "_task")

    def __init__(self, function: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._function = function
        self._args = args
        self._outcome: Outcome[object] | None = None
        self._task: trio.lowlevel.Task | None = trio.lowlevel.current_task()

    def abandon(self, _: object) -> trio.lowlevel.Abort:
        """The task waits no more. What was not begun is not."""
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED

    def work(self) -> None:
        """In a thread."""
        if self._task is not None:
            self._outcome = capture(self._function, *self._args)

    def done(self, _: Exception | None) -> None:
        """On the event loop, afterwards."""
        if self._task is not None and self._outcome is not None:
            trio.lowlevel.reschedule(self._task, self._outcome)


class Crew(Generic[T]):
    """Threads: `work` is called in one of them with each thing that is put in line, in that order, and then `done` on the
    event loop, with the thing and what `work` raised."""

    def __init__(self, threads: int, work: Callable[[T], object], done: Callable[[T, Exception | None], object]) -> None:
        self._threads_max = threads
        self._work = work
        self._done = done
        self._threads = 0
        self._open = 0
        self._lock = threading.Lock()
        self._line: SimpleQueue[tuple[T] | None] = SimpleQueue()
        self._ended: deque[tuple[T, Exception | None]] = deque()
        self._leaves = False

    async def run(self) -> None:
        """Work for ever. Who is cancelled waits for nothing, and nothing more is begun."""
        try:
            await trio.sleep_forever()
        finally:
            self._leaves = True
            for _ in range(self._threads):
                self._line.put(None)

    def put(self, thing: T) -> None:
        """Put a thing in line; threads are begun as they are needed. Called on the event loop."""
        self._open += 1
        self._line.put((thing,))
        with self._lock:
            begins = self._threads < min(self._open, self._threads_max)
            self._threads += begins
        if begins:
            token = trio.lowlevel.current_trio_token()
            threading.Thread(target=self._serve, args=(token,), name="crew", daemon=True).start()

    def _serve(self, token: trio.lowlevel.TrioToken) -> None:
        while (item := self._next()) is not None and not self._leaves:
            problem: Exception | None = None
            try:
                self._work(item[0])
            except Exception as raised:  # told to `done`
                problem = raised
            self._ended.append((item[0], problem))
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(self._tell, idempotent=True)

    def _next(self) -> tuple[T] | None:
        """The next thing in line; None: the thread ends."""
        while True:
            try:
                return self._line.get(timeout=IDLE_S)
            except Empty:
                with self._lock:
                    if self._line.empty():  # else it was put there just now, and counts on this thread
                        self._threads -= 1
                        return None

    def _tell(self) -> None:
        while self._ended:
            self._open -= 1
            self._done(*self._ended.popleft())


async def to_the_end(function: Callable[[*Args], Awaitable[T]], *args: *Args) -> T:
    """The function's result. Who is cancelled does not wait, but the function runs to its end, with the locks it holds."""
    results: list[T] = []
    problems: list[Exception] = []
    ended = trio.Event()

    async def work() -> None:
        try:
            results.append(await function(*args))
        except Exception as problem:  # raised below, to who waits
            problems.append(problem)
        finally:
            ended.set()

    trio.lowlevel.spawn_system_task(work)
    await ended.wait()
    if problems:
        raise problems[0]
    return results[0]
