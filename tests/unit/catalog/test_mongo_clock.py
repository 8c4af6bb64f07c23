"""The estimate of the server's clock: halves of round trips, the better of two, never back."""

from __future__ import annotations

from kumofs.catalog.mongo_clock import REFRESH_S, TRIES, ServerClock

SECOND = 1_000_000


class Setting:
    """A server whose clock is `ahead_us` of this host's monotonic one, answering after `there_us` and `back_us`."""

    def __init__(self) -> None:
        self.tick = 50 * SECOND
        self.ahead_us = 10**15
        self.there_us = self.back_us = 0
        self.asked = 0

    def ask(self) -> int | None:
        self.asked += 1
        self.tick += self.there_us
        told = self.true_us() // 1000 * 1000
        self.tick += self.back_us
        return told

    def true_us(self) -> int:
        return self.tick + self.ahead_us

    def clock(self) -> ServerClock:
        return ServerClock(self.ask, lambda: self.tick)


def test_it_is_wrong_by_at_most_half_a_round_trip_and_a_millisecond() -> None:
    for there, back in ((0, 0), (20_000, 20_000), (0, 40_000), (40_000, 0)):
        setting = Setting()
        setting.there_us, setting.back_us = there, back
        clock = setting.clock()
        clock.refresh()
        setting.tick += 5 * SECOND
        assert abs(clock.now_us() - setting.true_us()) <= (there + back) / 2 + 1000


def test_a_poor_answer_does_not_replace_a_good_one() -> None:
    setting = Setting()
    clock = setting.clock()
    clock.refresh()
    setting.tick += int(REFRESH_S * SECOND)
    setting.back_us = 4 * SECOND
    clock.refresh()
    assert setting.asked == 2
    assert abs(clock.now_us() - setting.true_us()) <= 1000


def test_a_poor_first_answer_is_asked_again_at_once() -> None:
    setting = Setting()
    answers = iter([6 * SECOND, 0])

    def ask() -> int | None:
        setting.back_us = next(answers)
        return setting.ask()

    clock = ServerClock(ask, lambda: setting.tick)
    clock.refresh()
    assert abs(clock.now_us() - setting.true_us()) <= 1000


def test_over_a_slow_line_it_asks_oftener_and_not_always() -> None:
    setting = Setting()
    setting.there_us = setting.back_us = SECOND
    clock = setting.clock()
    for _ in range(6):
        clock.refresh()
        setting.tick += SECOND
    assert setting.asked == TRIES


def test_it_never_goes_back() -> None:
    setting = Setting()
    clock = setting.clock()
    clock.refresh()
    before = clock.now_us()
    setting.ahead_us -= 3 * SECOND  # somebody set the server's clock
    setting.tick += int(REFRESH_S * SECOND)
    clock.refresh()
    assert clock.now_us() >= before
    setting.tick += SECOND
    assert abs(clock.now_us() - setting.true_us()) <= 1000


def test_it_asks_once_a_minute() -> None:
    setting = Setting()
    clock = setting.clock()
    for _ in range(10):
        clock.refresh()
        setting.tick += int(REFRESH_S * SECOND) // 5
    assert setting.asked == 2


def test_where_the_server_tells_no_time_it_is_this_hosts() -> None:
    clock = ServerClock(lambda: None)
    clock.refresh()
    assert clock.now_us() > 1_600_000_000 * SECOND
