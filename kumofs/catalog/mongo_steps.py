"""The port's steps in MongoDB's words, with the two tokens by which a step is known again.

Every document here carries `_born`, the token of the insert that made it, and, once it was changed, `_op`, the token of the
last update. They exist in MongoDB only: `plain` takes them off what is read.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from pymongo import DeleteOne, InsertOne, UpdateOne

from kumofs.catalog.port import ABSENT, PRESENT, Delete, Document, Id, Insert, Step, Update

BORN = "_born"
OP = "_op"
Request = InsertOne[Document] | UpdateOne | DeleteOne


def new_op() -> str:
    """A token that no other step has: 64 random bits, base64."""
    return secrets.token_urlsafe(8)


def plain(doc: Document) -> Document:
    """A document as the port knows it."""
    return {field: value for field, value in doc.items() if field not in (BORN, OP)}


def selected(id: Id, where: Mapping[str, Any]) -> dict[str, Any]:
    """The filter of a compare-and-swap."""
    presence = {PRESENT: {"$exists": True}, ABSENT: {"$exists": False}}
    conditions = {field: presence[value] if value in (PRESENT, ABSENT) else {"$eq": value} for field, value in where.items()}
    return {"_id": id, **conditions}


def stamps(step: Insert | Update, now_us: int) -> dict[str, int]:
    """The fields of a step that get the time."""
    return dict.fromkeys(step.stamp, now_us)


def inserted(step: Insert, op: str, now_us: int) -> Document:
    """The document that an insert makes."""
    return {**step.doc, **stamps(step, now_us), BORN: op}


def change(step: Update, op: str, now_us: int) -> dict[str, Any]:
    """What an update does to its document."""
    done: dict[str, Any] = {"$set": {**step.set, **stamps(step, now_us), OP: op}}
    if step.unset:
        done["$unset"] = dict.fromkeys(step.unset, "")
    if step.inc:
        done["$inc"] = dict(step.inc)
    return done


def request(step: Step, op: str, now_us: int) -> Request:
    """A step as part of a bulk write."""
    match step:
        case Insert():
            return InsertOne(inserted(step, op, now_us))
        case Update():
            return UpdateOne(selected(step.id, step.where), change(step, op, now_us))
        case Delete():
            return DeleteOne(selected(step.id, step.where))
