"""A line: one connection to the server, every wait on which is bounded.

Python bounds waits by a poll before each call, and lets go of the interpreter's lock for each of the two; to take that again
is what a thread that fetches beside a busy event loop waits for most. So where the line is not TLS the kernel bounds
them (SO_RCVTIMEO), and fills a whole buffer in one call.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct

TLS_READ_BYTES = 1 << 20
"""What is read from a TLS line between two looks at the clock."""
SHORTEST_S = 0.001
"""To the kernel, none at all would be no bound."""


class Line:
    """A connected socket, which it owns. What goes wrong is an OSError; TimeoutError where the other side was silent too long."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._tls = isinstance(connected, ssl.SSLSocket)
        self._bound_s = 0.0
        if not self._tls:
            connected.settimeout(None)

    def bound(self, wait_s: float) -> None:
        """From now on, no wait is longer than that."""
        if wait_s == self._bound_s:
            return
        self._bound_s = wait_s
        if self._tls:
            self._socket.settimeout(wait_s)
            return
        microseconds = int(max(wait_s, SHORTEST_S) * 1_000_000)
        limit = struct.pack("@ll", *divmod(microseconds, 1_000_000))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def send(self, block: bytes | memoryview) -> None:
        """Send all of a block."""
        try:
            self._socket.sendall(block)
        except BlockingIOError as problem:
            raise TimeoutError("the server takes nothing more") from problem

    def receive(self, length_max: int) -> bytes:
        """What has come, and is waited for where nothing has; empty at the end."""
        try:
            return self._socket.recv(length_max)
        except BlockingIOError as problem:
            raise TimeoutError("the server says nothing") from problem

    def receive_into(self, view: memoryview) -> int:
        """Fill a buffer with what comes, as far as it comes within the bound; 0 at the end."""
        try:
            if self._tls:
                return self._socket.recv_into(view, min(len(view), TLS_READ_BYTES))
            return self._socket.recv_into(view, len(view), socket.MSG_WAITALL)
        except BlockingIOError as problem:
            raise TimeoutError("the server says nothing more") from problem

    @property
    def is_stale(self) -> bool:
        """Whether the server has closed a line that rests, or sends what nobody asked for."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Let go of it."""
        self._socket.close()
