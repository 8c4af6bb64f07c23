"""Steady answers: who asks for the size of a computed attribute, and then for a value of that size, gets the same one twice.

The state of a file goes from pending to synced by itself, and its key follows its name. Between the two calls of a copying
program (rsync -X, cp -a) that is an error to it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import NamedTuple

import trio

STEADY_S = 0.05
REMEMBERED_MAX = 256


class Question(NamedTuple):
    """Which process asks for what."""

    pid: int
    ino: int
    name: str


class Steady:
    """What was answered a moment ago, to whom; each answer is given a second time at most."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Question, tuple[float, str | None]] = OrderedDict()

    def answer(self, question: Question, value: str | None) -> str | None:
        """The value, or what it was a moment ago if that was the first half of asking."""
        now_s = trio.current_time()
        asked_s, before = self._answers.pop(question, (-math.inf, None))
        if now_s - asked_s < STEADY_S:
            return before
        self._answers[question] = (now_s, value)
        while len(self._answers) > REMEMBERED_MAX:
            self._answers.popitem(last=False)
        return value

    def forget(self, ino: int) -> None:
        """The file was brought to where it belongs at somebody's request: who asks now wants to know."""
        for question in [question for question in self._answers if question.ino == ino]:
            del self._answers[question]
