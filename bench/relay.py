"""A relay between a side and its S3 server that counts bytes, in a process of its own: `python -m bench.relay HOST:PORT`.

It prints its port, and for each line on its standard input the bytes so far: to the server, and from it. It stands between
them only in workloads that ask for these.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

CHUNK_BYTES = 1 << 20


class Wire(NamedTuple):
    """Bytes to the server and from it."""

    sent: int
    received: int


class Relay:
    """One that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.endpoint = f"http://127.0.0.1:{self._line()}"

    def count(self) -> Wire:
        """The bytes since it was started."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        sent, received = self._line().split()
        return Wire(int(sent), int(received))

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the relay has ended")
        return line.strip()


@contextmanager
def relay(endpoint: str) -> Iterator[Relay]:
    """A relay to `http://HOST:PORT`."""
    command = [sys.executable, "-m", "bench.relay", endpoint.removeprefix("http://")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Relay(process)
        finally:
            process.kill()


class Counts:
    """What one relay has counted."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.sent = self.received = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until both ends have closed it."""
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(self._host, self._port, limit=CHUNK_BYTES)
        except OSError:
            writer.close()
            return
        pumps = (self._pump(reader, upstream_writer, outward=True), self._pump(upstream_reader, writer, outward=False))
        with suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as both:  # where one way breaks, the other one ends, too
                for pump in pumps:
                    both.create_task(pump)
        upstream_writer.close()
        writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, outward: bool) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            if outward:
                self.sent += len(chunk)
            else:
                self.received += len(chunk)
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


async def main(upstream: str) -> None:
    host, _, port = upstream.partition(":")
    counts = Counts(host, int(port))
    server = await asyncio.start_server(counts.serve, "127.0.0.1", 0, limit=CHUNK_BYTES)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(counts.sent, counts.received, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
