"""Steady answers: the second half of asking gets what the first one got, and nothing else is old."""

from __future__ import annotations

import trio
import trio.testing

from kumofs.fs.steady import REMEMBERED_MAX, STEADY_S, Question, Steady

STATE = Question(1, 2, "user.kumo.state")


def test_the_size_and_the_value_belong_together() -> None:
    async def main() -> None:
        steady = Steady()
        assert steady.answer(STATE, "pending") == "pending"
        assert steady.answer(STATE, "synced") == "pending"
        assert steady.answer(STATE, "synced") == "synced"

    trio.run(main, clock=trio.testing.MockClock())


def test_another_program_a_later_question_and_one_after_fsync_are_answered_anew() -> None:
    async def main() -> None:
        steady = Steady()
        steady.answer(STATE, "pending")
        assert steady.answer(STATE._replace(pid=9), "synced") == "synced"
        await trio.sleep(2 * STEADY_S)
        assert steady.answer(STATE, "synced") == "synced"
        steady.answer(STATE._replace(ino=3), "pending")
        steady.forget(3)
        assert steady.answer(STATE._replace(ino=3), "synced") == "synced"

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_what_is_remembered_is_bounded() -> None:
    async def main() -> None:
        steady = Steady()
        for ino in range(10 * REMEMBERED_MAX):
            steady.answer(STATE._replace(ino=ino), "pending")
        assert len(steady._answers) == REMEMBERED_MAX

    trio.run(main)
