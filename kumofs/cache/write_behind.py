"""Write behind: what is to be kept is written by one thread, after whoever read it has gone on.

It waits until for a moment nothing more comes, as a reader of many small files would wait for each of them else, and not
longer than `WAIT_MAX_S`, or until half of the queue is full. What does not fit into the queue is not kept.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

QUEUE_MAX_BYTES = 32 << 20
JOBS_MAX = 4096
GIVE_WAY_S = 0.05
WAIT_MAX_S = 2.0
IDLE_S = 60.0
END_S = 60.0


class WriteBehind:
    """A bounded queue of jobs and the thread that does them. `idle` is called about once a minute. They raise nothing."""

    def __init__(self, idle: Callable[[], None], queue_max_bytes: int = QUEUE_MAX_BYTES) -> None:
        self._idle = idle
        self._queue_max_bytes = queue_max_bytes
        self._jobs: deque[tuple[int, Callable[[], object]]] = deque()
        self._lock = threading.Lock()
        self._working = threading.Lock()
        self._bytes = 0
        self._added_s = 0.0
        self._wanted = threading.Event()
        self._ended = False
        self._thread: threading.Thread | None = None

    def add(self, size_bytes: int, job: Callable[[], object]) -> bool:
        """Have something done soon; `size_bytes` of memory are held until then. False: the queue is full. Never waits."""
        with self._lock:
            if self._ended or self._bytes + size_bytes > self._queue_max_bytes or len(self._jobs) >= JOBS_MAX:
                return False
            self._jobs.append((size_bytes, job))
            self._bytes += size_bytes
            self._added_s = time.monotonic()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="cache", daemon=True)
                self._thread.start()
        self._wanted.set()
        return True

    @property
    def is_pressed(self) -> bool:
        """Whether the jobs come more quickly than they are done, and there will soon be no room for more."""
        return self._bytes > self._queue_max_bytes * 3 // 4

    def flush(self) -> None:
        """Do now what waits; returns when all of it is done."""
        while self._do_next():
            continue

    def close(self) -> None:
        """Do what waits, and end."""
        with self._lock:
            self._ended = True
        self._wanted.set()
        self.flush()
        if self._thread is not None:
            self._thread.join(END_S)

    def _run(self) -> None:
        while not self._ended:
            if self._wanted.wait(IDLE_S):
                self._wanted.clear()
                self._give_way()
                self.flush()
            else:
                self._idle()

    def _give_way(self) -> None:
        began_s = time.monotonic()
        while not self._ended and self._bytes < self._queue_max_bytes // 2 and len(self._jobs) < JOBS_MAX // 2:
            now_s = time.monotonic()
            if now_s > self._added_s + GIVE_WAY_S or now_s > began_s + WAIT_MAX_S:
                return
            time.sleep(GIVE_WAY_S)

    def _do_next(self) -> bool:
        with self._working:  # so that whoever flushes also waits for what the thread has begun
            with self._lock:
                if not self._jobs:
                    return False
                size_bytes, job = self._jobs.popleft()
            job()
            with self._lock:
                self._bytes -= size_bytes
        return True
