"""Writes whose outcome is known even where the server's answer was lost, on servers with retryable writes and without.

A lost answer (a reset, a step-down, time that was up) leaves open whether the step was done. Each step therefore carries a
token of its own (`_born` of an insert, `_op` of an update), and after a lost answer:

- insert: again. A duplicate that was born by our token is ours.
- update: *confirmed*, by setting our token where it is still there: then it was done. Otherwise again, where `where` still
  holds. Where it does not hold, and the token is not there either (the late request may have come in between), somebody else
  has changed the document before or after us, and nobody can tell which: CatalogUnavailable, which the port allows. Every verb
  of this room may be stopped between any two steps, so what it leaves is repaired by the next resolve, as after a crash.
- delete: again. A document that is gone was deleted by us, as far as anybody can tell.
- a batch: step by step with the tokens that they were sent with.

What happened is asked with a write, not a read, because MongoDB answers a majority write only when the majority has what was
there before it: so a write that was found done is as durable as one that was answered. The price of all this is some twenty
bytes a document, and round trips only after a loss.

A step whose answer took more than `LATE_S` has its time stamped again, so that the feed of others sees it: they look back by
two seconds, from stamp to sight.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TypeVar

import pymongo
from pymongo import ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from kumofs.catalog.mongo_errors import DUPLICATE_KEY, IN_DOUBT, TAKEN, in_doubt
from kumofs.catalog.mongo_steps import BORN, OP, change, inserted, new_op, request, selected, stamps
from kumofs.catalog.port import PRESENT, Delete, Document, Insert, Step, Update
from kumofs.errors import CatalogUnavailable, Duplicate

LATE_S = 1.0
PAUSE_MAX_S = 1.0
T = TypeVar("T")


class Uncertain(CatalogUnavailable):
    """An answer was lost, and somebody else has changed the document since."""


def until_certain(attempt: Callable[[bool], T], deadline_s: float, lost: bool = False) -> T:
    """What `attempt(lost)` returns, tried until its answer arrives; `lost`: an earlier answer did not.

    Raises the last problem when `deadline_s` seconds are over; no request outlives them either.
    """
    ends = time.monotonic() + deadline_s
    pause_s = 0.0
    with bounded(deadline_s):
        while True:
            try:
                return attempt(lost)
            except PyMongoError as problem:
                if not in_doubt(problem) or time.monotonic() + pause_s >= ends:
                    raise
            lost = True
            time.sleep(pause_s)
            pause_s = min(PAUSE_MAX_S, 2 * pause_s or 0.02)


def bounded(seconds: float) -> AbstractContextManager[None]:
    """Within it every request ends after `seconds` in all; pymongo refuses less than nothing, and takes 0 for no bound."""
    return pymongo.timeout(max(seconds, 0.001))


class CertainWrites:
    """The port's steps on the collections that `of` gives; `now_us` tells the time for stamps. Raises pymongo's exceptions."""

    def __init__(self, of: Callable[[str], Collection[Document]], now_us: Callable[[], int], deadline_s: float) -> None:
        self._of = of
        self._now_us = now_us
        self._deadline_s = deadline_s

    def insert(self, step: Insert) -> None:
        """Add the document. DuplicateKeyError."""
        op = new_op()
        until_certain(lambda lost: self._insert(step, op, lost), self._deadline_s)

    def update(self, step: Update) -> Document | None:
        """Compare-and-swap: the document after the change, or None. Uncertain."""
        op = new_op()
        return until_certain(lambda lost: self._update(step, op, lost), self._deadline_s)

    def delete(self, step: Delete) -> Document | None:
        """Compare-and-delete: the document that was removed; after a lost answer only its id and what `where` says of it."""
        return until_certain(lambda lost: self._delete(step, lost), self._deadline_s)

    def batch(self, steps: Sequence[Step], deadline_s: float) -> int:
        """Steps of one collection, in order; how many updates and deletes found their document. Duplicate, Uncertain."""
        ends = time.monotonic() + deadline_s
        ops = [new_op() for _ in steps]
        began = time.monotonic()
        try:
            with bounded(deadline_s):
                matched = self._at_once(steps, ops)
        except PyMongoError as problem:
            if not in_doubt(problem) and not bulk_in_doubt(problem):
                raise
            return self._one_by_one(steps, ops, ends)
        if time.monotonic() - began > LATE_S:
            self._stamp_again(steps, ops, ends)
        return matched

    def _insert(self, step: Insert, op: str, lost: bool) -> None:
        began = time.monotonic()
        try:
            self._of(step.collection).insert_one(inserted(step, op, self._now_us()))
        except DuplicateKeyError:
            if not lost or self._confirm(step, op) is None:
                raise
        else:
            if step.stamp and time.monotonic() - began > LATE_S:
                self._confirm(step, op)

    def _update(self, step: Update, op: str, lost: bool) -> Document | None:
        if lost and (done := self._confirm(step, op)) is not None:
            return done
        began = time.monotonic()
        found: Document | None = self._of(step.collection).find_one_and_update(
            selected(step.id, step.where), change(step, op, self._now_us()), return_document=ReturnDocument.AFTER
        )
        if found is not None:
            late = bool(step.stamp) and time.monotonic() - began > LATE_S
            return (self._confirm(step, op) or found) if late else found
        return self._came_late(step, op) if lost else None

    def _came_late(self, step: Update, op: str) -> Document | None:
        """The repeated request found nothing: because the lost one came after we had asked, or because of somebody else."""
        done = self._confirm(step, op)
        if done is None and self._of(step.collection).find_one({"_id": step.id}) is not None:
            raise Uncertain(f"an answer about {step.collection} {step.id!r} was lost, and it has changed since: try again")
        return done

    def _delete(self, step: Delete, lost: bool) -> Document | None:
        collection = self._of(step.collection)
        found: Document | None = collection.find_one_and_delete(selected(step.id, step.where))
        if found is None and lost and collection.find_one({"_id": step.id}) is None:
            return {"_id": step.id, **{field: value for field, value in step.where.items() if value is not PRESENT}}
        return found

    def _confirm(self, step: Insert | Update, op: str, _lost: bool = True) -> Document | None:
        """The document if it carries our token: the step was done. Its time is stamped again, for it may be long ago."""
        id, token = (step.doc["_id"], BORN) if isinstance(step, Insert) else (step.id, OP)
        again = {"$set": {token: op, **stamps(step, self._now_us())}}
        found: Document | None = self._of(step.collection).find_one_and_update(
            {"_id": id, token: op}, again, return_document=ReturnDocument.AFTER
        )
        return found

    def _at_once(self, steps: Sequence[Step], ops: Sequence[str]) -> int:
        now_us = self._now_us()
        requests = [request(step, op, now_us) for step, op in zip(steps, ops, strict=True)]
        try:
            done = self._of(steps[0].collection).bulk_write(requests, ordered=True)
        except BulkWriteError as problem:
            refused = problem.details.get("writeErrors") or [{}]
            if refused[0].get("code") == DUPLICATE_KEY:
                raise Duplicate(TAKEN, refused[0]["index"]) from problem
            raise
        return done.matched_count + done.deleted_count

    def _one_by_one(self, steps: Sequence[Step], ops: Sequence[str], ends: float) -> int:
        """The steps of a batch whose answer was lost."""
        matched = 0
        for position, (step, op) in enumerate(zip(steps, ops, strict=True)):
            try:
                matched += until_certain(partial(self._again, step, op), ends - time.monotonic(), lost=True)
            except DuplicateKeyError as problem:
                raise Duplicate(TAKEN, position) from problem
        return matched

    def _again(self, step: Step, op: str, lost: bool) -> int:
        match step:
            case Insert():
                self._insert(step, op, lost)
                return 0
            case Update():
                return int(self._update(step, op, lost) is not None)
            case Delete():
                return int(self._delete(step, lost) is not None)

    def _stamp_again(self, steps: Sequence[Step], ops: Sequence[str], ends: float) -> None:
        for step, op in zip(steps, ops, strict=True):
            if not isinstance(step, Delete) and step.stamp:
                until_certain(partial(self._confirm, step, op), ends - time.monotonic())


def bulk_in_doubt(problem: PyMongoError) -> bool:
    """The same question as `in_doubt` of a bulk write that was answered, but not with a final answer."""
    if not isinstance(problem, BulkWriteError):
        return False
    refused = problem.details.get("writeErrors") or []
    return refused[0].get("code") in IN_DOUBT if refused else bool(problem.details.get("writeConcernErrors"))
