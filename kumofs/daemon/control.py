"""The control socket: `kumofs status` and `kumofs umount` ask a running mount. One JSON object a line, both ways.

    {"do": "status"}   one line: what the mount is, what is still on its way
    {"do": "drain"}    a line for each step {"left": n}, then {"done": true, "failed": n}
    {"do": "sync"}     the same; with "inode": only that file, or what lies in that folder
    {"do": "warm"}     of "inode": lines {"files": n, "files_max": n, "bytes": n, "bytes_max": n}; the last one has "done", too
    {"do": "settle"}   the same, of keys that do not follow their names yet

Only the mount's own user and root are answered: the kernel says who asks (SO_PEERCRED).
"""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio

from kumofs.errors import ControlRefused

log = logging.getLogger(__name__)

Message = dict[str, Any]
Answer = Callable[[Message], AsyncIterator[Message]]

LINE_MAX = 4096
DEADLINE_S = 10.0
"""How long a client may take to ask, and a mount between two lines of an answer it can give at once."""
DRAIN_S = 24 * 3600.0
CREDENTIALS = struct.Struct("3i")


async def serve(path: Path, answer: Answer, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Answer for ever."""
    path.unlink(missing_ok=True)
    listener = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with listener:
        with short_address(path) as address:
            await listener.bind(address)
        path.chmod(0o600)
        listener.listen(8)
        task_status.started()
        async with trio.open_nursery() as nursery:
            while True:
                connection, _ = await listener.accept()
                nursery.start_soon(guarded, connection, answer)


async def guarded(connection: trio.socket.SocketType, answer: Answer) -> None:
    """Answer one client; its faults are its own."""
    try:
        await answer_one(connection, answer)
    except Exception:
        log.exception("a control request failed")
    finally:
        connection.close()


async def answer_one(connection: trio.socket.SocketType, answer: Answer) -> None:
    """Check who asks, read the request, send what is answered."""
    pid, uid, _ = CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
    if uid not in (0, os.getuid()):
        log.warning("process %d of user %d was refused at the control socket", pid, uid)
        return
    stream = trio.SocketStream(connection)
    with trio.move_on_after(DEADLINE_S) as asking:
        line = await stream.receive_some(LINE_MAX)
    if asking.cancelled_caught:
        return
    async for message in answer(json.loads(line)):
        with trio.move_on_after(DEADLINE_S) as telling:
            await stream.send_all(json.dumps(message).encode() + b"\n")
        if telling.cancelled_caught:
            return


@contextmanager
def short_address(path: Path) -> Iterator[str]:
    """The socket's address by way of its directory, opened: an address has room for 107 bytes, and a path may be longer."""
    fd = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{path.name}"
    finally:
        os.close(fd)


def ask(path: Path, do: str, timeout_s: float = DEADLINE_S, **more: object) -> Iterator[Message]:
    """The lines that a mount answers. ControlRefused where it does not."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            with short_address(path) as address:
                connection.connect(address)
            connection.sendall(json.dumps({"do": do, **more}).encode() + b"\n")
            with connection.makefile() as lines:
                for line in lines:
                    yield json.loads(line)
    except (OSError, ValueError) as problem:
        raise ControlRefused(f"the mount does not answer at {path}: {problem}") from problem
