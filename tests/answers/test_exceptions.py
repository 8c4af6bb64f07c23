"""Whatever goes wrong in a handler is an error for the program that asked, a line in the log, and nothing else."""

from __future__ import annotations

import errno
import inspect
import logging

import pyfuse3
import pytest
import trio

from kumofs.errors import CatalogUnavailable, StoreUnavailable
from kumofs.fs.operations import Operations

HANDLERS = sorted(name for name, member in vars(Operations).items() if inspect.iscoroutinefunction(member) and name[0] != "_")
NUMBER = 7


class Broken:
    """Raises at every touch."""

    def __init__(self, problem: Exception) -> None:
        self.__dict__["problem"] = problem

    def __getattr__(self, name: str):
        raise self.__dict__["problem"]


def call(operations: Operations, name: str) -> None:
    """Call a handler with a number for each of its arguments."""
    handler = getattr(operations, name)
    count = len(inspect.signature(inspect.unwrap(handler)).parameters)
    args = {"forget": ([(NUMBER, 1)],), "rename": (NUMBER, b"a", NUMBER, b"b", 0, None)}.get(name, (NUMBER,) * (count - 1))
    trio.run(lambda: handler(*args))


def broken(operations: Operations, problem: Exception) -> Operations:
    operations._drive = operations._files = operations._directories = Broken(problem)
    return operations


def test_every_handler_of_the_kernel_s_is_here() -> None:
    wanted = {
        "lookup",
        "getattr",
        "setattr",
        "create",
        "open",
        "read",
        "write",
        "flush",
        "release",
        "readdir",
        "forget",
        "rename",
    }
    assert wanted <= set(HANDLERS)
    assert len(HANDLERS) >= 25


@pytest.mark.parametrize("name", [name for name in HANDLERS if name != "forget"])
def test_an_unexpected_exception_is_eio_and_a_line_with_operation_and_inode(operations, caplog, name: str) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(pyfuse3.FUSEError) as caught:
        call(broken(operations, RuntimeError("a fault in kumofs")), name)
    if name != "mknod":  # it looks at the mode first, and a number is none
        assert caught.value.errno == errno.EIO
        assert [record.message for record in caplog.records] == [f"{name}({NUMBER}) failed"]


@pytest.mark.parametrize("problem", [CatalogUnavailable("away"), StoreUnavailable("away")])
@pytest.mark.parametrize("name", ["lookup", "read", "flush", "opendir", "create"])
def test_what_cannot_be_asked_is_eio_never_enoent(operations, caplog, name: str, problem: Exception) -> None:
    with pytest.raises(pyfuse3.FUSEError) as caught:
        call(broken(operations, problem), name)
    assert caught.value.errno == errno.EIO
    assert f"{name}({NUMBER}): away" in caplog.text


def test_forget_has_nobody_to_tell(operations, caplog) -> None:
    call(broken(operations, RuntimeError("a fault in kumofs")), "forget")
    assert "forget failed" in caplog.text
