"""Calls made together: who comes while one is under way goes with the next."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from kumofs.fs import together as module
from kumofs.fs.together import Together


class Doubling:
    """Doubles numbers, a second for each call of it; notes what came together."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    async def __call__(self, numbers: list[int]) -> list[int]:
        self.calls.append(numbers)
        await trio.sleep(1)
        if 13 in numbers:
            raise ValueError("thirteen")
        return [2 * number for number in numbers]


def run(clients) -> tuple[Doubling, dict[int, object]]:
    """Run clients, each a number and the second at which it comes; what each got."""
    work, got = Doubling(), {}
    together = Together(work)

    async def client(number: int, at_s: float) -> None:
        await trio.sleep(at_s)
        try:
            got[number] = await together.call(number)
        except ValueError as problem:
            got[number] = str(problem)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number, at_s in clients.items():
                nursery.start_soon(client, number, at_s)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return work, got


def test_who_comes_meanwhile_goes_with_the_next_call() -> None:
    work, got = run({1: 0, 2: 0.3, 3: 0.6, 4: 5})
    assert work.calls == [[1], [2, 3], [4]]
    assert got == {1: 2, 2: 4, 3: 6, 4: 8}


def test_a_problem_is_told_to_those_of_that_call_only() -> None:
    _, got = run({1: 0, 13: 0.3, 3: 0.6, 4: 1.5})
    assert got == {1: 2, 13: "thirteen", 3: "thirteen", 4: 8}


def test_work_that_gives_too_few_results_is_a_problem_of_those_who_wait() -> None:
    async def forgetful(numbers: list[int]) -> list[int]:
        return numbers[1:]

    with pytest.raises(ValueError, match="shorter"):
        trio.run(Together(forgetful).call, 1)


def test_no_call_is_of_more_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOGETHER_MAX", 2)
    work, got = run({1: 0, 2: 0.3, 3: 0.6, 4: 0.7})
    assert [len(call) for call in work.calls] == [1, 2, 1]
    assert got == {number: 2 * number for number in (1, 2, 3, 4)}


def test_who_does_not_wait_any_more_holds_nobody_up() -> None:
    work, got = Doubling(), []
    together = Together(work)

    async def impatient() -> None:
        with trio.move_on_after(0.1):
            await together.call(1)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(impatient)
            await trio.sleep(0.2)
            got.append(await together.call(2))

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert got == [4]
