"""part_plan: of a large file that was changed here and there, what is sent, and what the store copies from its own object.

Every part but the last has a least size (5 MiB in S3), so around a small change more than the change is sent, and between
two changes that lie close together there is no room for a copy. The plan is the one that sends the least.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kumofs.staging.ranges import Range
from kumofs.store.pieces import Piece

COPIED_MIN_BYTES = 8 << 20
"""Where less than that can be copied, the file is sent whole: that takes fewer requests."""
COPY_BYTES = 64 << 20
SEND_BYTES = 16 << 20
"""How long parts are as a rule: several go at once, and one that fails is made again."""
JUMPS = (1, 2, 3)
"""Of unchanged ranges in a row two are left out at most: what lies between two copies then is long enough for a part."""


class Step(NamedTuple):
    """A way to make the file up to an unchanged range, which is copied from `start` on; `sent` bytes were sent before it,
    the last of them [`sent_from`, `start`)."""

    sent: int
    start: int
    sent_from: int
    before: Step | None


def plan_parts(size: int, unchanged: Sequence[Range], part_min: int, count_max: int) -> list[Piece]:
    """The parts of a file of that size, of which `unchanged` ranges (in order, apart) are as in the store's object.

    No part but the last is shorter than `part_min`, and there are no more than `count_max`. Empty where copying is not
    worth it.
    """
    least = max(part_min, -(-size // (count_max - 1)))
    pieces = list(pieces_of(cheapest(size, unchanged, least), least))
    return pieces if sum(piece.length for piece in pieces if piece.copied) >= COPIED_MIN_BYTES else []


def cheapest(size: int, unchanged: Sequence[Range], least: int) -> list[Piece]:
    """What is sent and what is copied in turn, so that the least is sent."""
    ranges = [(0, 0), *(each for each in unchanged if each[1] - each[0] >= least or each[1] == size), (size, size)]
    ways = [[Step(0, 0, 0, None)]]
    for place in range(1, len(ranges)):
        found = [
            step
            for jump in JUMPS[:place]
            for before in ways[place - jump]
            if (step := next_step(before, ranges[place - jump], ranges[place], size, least)) is not None
        ]
        ways.append(undominated(found))
    return list(reversed(list(backwards(ways[-1][0]))))


def next_step(before: Step, last: Range, following: Range, size: int, least: int) -> Step | None:
    """Copy `last`, send what lies between it and `following`, and more where that is too short for a part: of the end of the
    one, then of the beginning of the other. None where they have not so much to give."""
    between = following[0] - last[1]
    more = max(0, least - between) if between and following[0] < size else 0
    spare = max(0, last[1] - before.start - least)
    sent_from = last[1] - min(more, spare)
    start = following[0] + more - (last[1] - sent_from)
    if start > following[1] or (following[1] - start < least and following[1] < size):
        return None
    return Step(before.sent + between + more, start, sent_from, before)


def undominated(steps: list[Step]) -> list[Step]:
    """Those that are worth going on from, the cheapest first: each dearer one leaves more of its range."""
    kept: list[Step] = []
    for step in sorted(steps, key=lambda step: step[:2]):
        if not kept or step.start < kept[-1].start:
            kept.append(step)
    return kept


def backwards(step: Step) -> Iterator[Piece]:
    """What is sent and copied on a way, from its end on."""
    while step.before is not None:
        yield Piece(step.sent_from, step.start - step.sent_from, copied=False)
        yield Piece(step.before.start, step.sent_from - step.before.start, copied=True)
        step = step.before


def pieces_of(runs: Sequence[Piece], least: int) -> Iterator[Piece]:
    """The runs cut into parts of about the same length."""
    for start, length, copied in runs:
        most = max(COPY_BYTES if copied else SEND_BYTES, 2 * least)
        count = -(-length // most)
        for number in range(count):
            first = length * number // count
            yield Piece(start + first, length * (number + 1) // count - first, copied)
