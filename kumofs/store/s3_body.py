"""Bodies of requests: sent in blocks, hashed beforehand, and sent again where an attempt fails."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256

from kumofs.errors import StoreError
from kumofs.model import Bytes
from kumofs.store.checksum import crc32

BLOCK_BYTES = 1 << 20
"""What is read, hashed and handed to the socket at once. Where the line is TLS its bound is for a block, so this decides how
slow one may be (70 KB/s)."""


class Body:
    """Bytes to send."""

    def __init__(self, content: Bytes = b"") -> None:
        self._content = content
        self.size = len(content)

    def blocks(self) -> Iterator[bytes | memoryview]:
        """The bytes, a block at a time."""
        view = memoryview(self._content)
        for start in range(0, self.size, BLOCK_BYTES):
            yield view[start : start + BLOCK_BYTES]

    def sha256(self) -> str:
        """SHA-256, in hex as a signature has it."""
        digest = sha256()
        for block in self.blocks():
            digest.update(block)
        return digest.hexdigest()

    def crc32(self) -> str:
        """CRC-32, in base64 as `x-amz-checksum-crc32` has it."""
        value = 0
        for block in self.blocks():
            value = crc32(block, value)
        return crc32_text(value)


class FileBody(Body):
    """Bytes [start, start+size) of an open file, never all in memory. StoreError where the file is shorter."""

    def __init__(self, fd: int, start: int, size: int) -> None:
        super().__init__()
        self._fd = fd
        self._start = start
        self.size = size

    def blocks(self) -> Iterator[bytes | memoryview]:
        """The bytes, a block at a time."""
        position, end = self._start, self._start + self.size
        while position < end:
            block = os.pread(self._fd, min(BLOCK_BYTES, end - position), position)
            if not block:
                raise StoreError("the file to be stored became shorter while it was read: try again")
            position += len(block)
            yield block


EMPTY = Body()


def crc32_text(value: int) -> str:
    """A CRC-32 as S3's headers have it."""
    return b64encode(value.to_bytes(4, "big")).decode()
