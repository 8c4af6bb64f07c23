"""Whatever a handler raises, the kernel gets an errno and the mount goes on."""

from __future__ import annotations

import errno
import logging

import pyfuse3
import pytest
import trio

from kumofs.errors import ERRNO, CatalogUnavailable, NotFound, StoreFull, errno_of
from kumofs.fs.boundary import answered


class Handlers:
    deadline_s = 60.0

    def __init__(self, problem: BaseException) -> None:
        self.problem = problem

    @answered
    async def lookup(self, inode: int) -> None:
        raise self.problem


@pytest.mark.parametrize(
    ("problem", "number"),
    [
        (NotFound("x"), errno.ENOENT),
        (StoreFull("x"), errno.ENOSPC),
        (CatalogUnavailable("x"), errno.EIO),
        (ZeroDivisionError(), errno.EIO),
        (ExceptionGroup("several", [ValueError()]), errno.EIO),
        (OSError(errno.EMFILE, "too many"), errno.EIO),
        (pyfuse3.FUSEError(errno.EROFS), errno.EROFS),
    ],
)
def test_every_exception_becomes_an_errno(problem: BaseException, number: int) -> None:
    with pytest.raises(pyfuse3.FUSEError) as caught:
        trio.run(Handlers(problem).lookup, 7)
    assert caught.value.errno == number


def test_what_was_not_expected_is_logged_with_operation_and_inode(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(pyfuse3.FUSEError):
        trio.run(Handlers(ZeroDivisionError("surprise")).lookup, 7)
    assert "lookup(7) failed" in caplog.text
    assert "surprise" in caplog.text


def test_each_errno_of_the_table_is_its_own_answer() -> None:
    assert all(errno_of(cls("x")) == number for cls, number in ERRNO.items())
    assert errno_of(RuntimeError()) == errno.EIO
