"""The namespace protocol on the real code over the real engine: stopped after each step, and interleaved step by step."""

from __future__ import annotations

STEPS_MAX = 60


def test_a_verb_may_stop_for_ever_after_any_step(home, crash, verb) -> None:
    for steps in range(STEPS_MAX):
        home.build()
        stopped = crash.Running(verb, home)
        stopped.step(steps)
        crash.check(home, stopped)
        if stopped.done:
            return
    raise AssertionError("the verb takes more steps than are tried")


def test_a_source_name_and_a_target_name_are_never_both_there(home, crash) -> None:
    rename = next(verb for verb in crash.VERBS if verb.title == "rename b x")
    for steps in range(STEPS_MAX):
        home.build()
        stopped = crash.Running(rename, home)
        stopped.step(steps)
        seen = [crash.lookup(home.engine, home.root, name) for name in ("b", "x")]
        assert sum(inode is not None for inode in seen) == 1
        if stopped.done:
            return


def test_whoever_meets_a_stopped_verb_goes_on(home, crash, verb, other) -> None:
    for steps in range(STEPS_MAX):
        home.build()
        stopped, meets = crash.Running(verb, home), crash.Running(other, home)
        stopped.step(steps)
        meets.finish()
        crash.check(home, stopped, meets)
        if stopped.done:
            return


def test_a_verb_interrupted_by_another_at_any_step(home, crash, verb, other) -> None:
    for steps in range(STEPS_MAX):
        home.build()
        first, second = crash.Running(verb, home), crash.Running(other, home)
        left = first.step(steps)
        second.finish()
        first.finish()
        crash.check(home, first, second)
        if left:
            return


def test_two_verbs_taking_turns(home, crash, verb, other) -> None:
    for turn in (1, 2, 3, 5):
        for begin in range(4):
            home.build()
            first, second = crash.Running(verb, home), crash.Running(other, home)
            first.step(begin)
            for _ in range(200):
                second.step(turn)
                first.step(turn)
            first.finish()
            second.finish()
            crash.check(home, first, second)
