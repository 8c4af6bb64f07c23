"""Asking again until a deadline, and what is told when it is over."""

from __future__ import annotations

import time

import pytest

from kumofs.errors import StoreRefused, StoreThrottled, StoreUnavailable
from kumofs.store.s3_retry import Attempt, retried


def test_what_failed_once_is_asked_again() -> None:
    def action(attempt: Attempt) -> int:
        if not attempt.repeated:
            raise StoreUnavailable("reset")
        return attempt.number

    assert retried(action) == 1


def test_a_refusal_is_not_asked_again() -> None:
    asked: list[int] = []

    def action(attempt: Attempt) -> None:
        asked.append(attempt.number)
        raise StoreRefused("denied")

    with pytest.raises(StoreRefused):
        retried(action)
    assert asked == [0]


def test_an_attempt_cut_short_by_the_deadline_does_not_hide_what_the_server_said() -> None:
    def action(attempt: Attempt) -> None:
        if not attempt.repeated:
            raise StoreThrottled("less often")
        time.sleep(attempt.left_s)
        raise StoreUnavailable("the server does not answer")

    with pytest.raises(StoreThrottled, match="less often"):
        retried(action, 0.8)
