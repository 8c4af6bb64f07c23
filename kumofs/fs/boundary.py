"""The boundary: whatever a handler raises becomes an errno. What is not in the errno table is EIO and a log record, and so
is what takes longer than the deadline.

A handler that raised anything but FUSEError would end pyfuse3's main loop, and with it the mount.
"""

from __future__ import annotations

import errno
import functools
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar, cast

import pyfuse3
import trio

from kumofs.errors import FileError, KumofsError, errno_of

log = logging.getLogger(__name__)


class Answering(Protocol):
    """What has handlers."""

    deadline_s: float
    """How long a program waits for an answer at most."""


Handler = TypeVar("Handler", bound=Callable[..., Coroutine[Any, Any, Any]])


def answered(handler: Handler) -> Handler:
    """Decorator of every handler. The log names the operation and its first argument: an inode, or a handle."""
    operation = handler.__name__

    @functools.wraps(handler)
    async def guarded(self: Answering, *args: Any) -> Any:
        try:
            with trio.move_on_after(self.deadline_s):
                return await handler(self, *args)
            log.error("%s(%s): no answer within %g s", operation, subject(args), self.deadline_s)
            raise pyfuse3.FUSEError(errno.EIO)
        except pyfuse3.FUSEError:
            raise
        except FileError as problem:
            if errno_of(problem) in (errno.EIO, errno.ENOSPC):
                log.error("%s(%s): %s", operation, subject(args), problem)
            raise pyfuse3.FUSEError(errno_of(problem)) from None
        except KumofsError as problem:
            log.error("%s(%s): %s", operation, subject(args), problem)
            raise pyfuse3.FUSEError(errno_of(problem)) from None
        except Exception:
            log.exception("%s(%s) failed", operation, subject(args))
            raise pyfuse3.FUSEError(errno.EIO) from None

    return cast(Handler, guarded)


def unanswered(handler: Handler) -> Handler:
    """Decorator of a handler that the kernel wants no answer from: what it raises is a log record."""

    @functools.wraps(handler)
    async def guarded(self: object, *args: Any) -> None:
        try:
            await handler(self, *args)
        except Exception:
            log.exception("%s failed", handler.__name__)

    return cast(Handler, guarded)


def subject(args: tuple[Any, ...]) -> str:
    """What a handler was asked about; never names or bytes."""
    return f"{args[0]}" if args and isinstance(args[0], int) else "?"
