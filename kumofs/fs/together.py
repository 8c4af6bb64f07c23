"""together: calls that come while others of their kind are under way are then made as one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import trio

T = TypeVar("T")
R = TypeVar("R")

TOGETHER_MAX = 32


class Together(Generic[T, R]):
    """`work` takes things and gives as many results; one call of it at a time. Used on the event loop only."""

    def __init__(self, work: Callable[[list[T]], Awaitable[list[R]]]) -> None:
        self._work = work
        self._line: list[Turn[T, R]] = []
        self._working = False

    async def call(self, thing: T) -> R:
        """The result for one thing. What the work raises is raised to everybody whose thing was in that call."""
        turn: Turn[T, R] = Turn(thing)
        self._line.append(turn)
        if not self._working:
            self._working = True
            trio.lowlevel.spawn_system_task(self._work_off)
        await turn.done.wait()
        if turn.problem is not None:
            raise turn.problem
        return turn.results[0]

    async def _work_off(self) -> None:
        try:
            while self._line:
                turns, self._line = self._line[:TOGETHER_MAX], self._line[TOGETHER_MAX:]
                await self._do(turns)
        finally:
            self._working = False

    async def _do(self, turns: list[Turn[T, R]]) -> None:
        try:
            results = await self._work([turn.thing for turn in turns])
            for turn, result in zip(turns, results, strict=True):
                turn.results.append(result)
        except Exception as problem:  # raised to those who wait
            for turn in turns:
                turn.problem = problem
        for turn in turns:
            turn.done.set()


class Turn(Generic[T, R]):
    """A thing in line, and what became of it."""

    def __init__(self, thing: T) -> None:
        self.thing = thing
        self.results: list[R] = []
        self.problem: Exception | None = None
        self.done = trio.Event()
