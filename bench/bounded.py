"""An action on a mount in a process of its own, which can be killed when the mount hangs or is too slow."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any, NamedTuple

END_S = 10.0
REASON_CHARACTERS = 60


class Taken(NamedTuple):
    """When an action began, on the clock of time.perf_counter, how many seconds it took, and what it returned."""

    began_s: float
    seconds: float
    value: Any = None


class Stopped(Exception):
    """It took longer than it may."""


class Failed(Exception):
    """The file system answered with an error; the text says which."""


def bounded(action: Callable[[], object], limit_s: float, abort: Callable[[], None]) -> Taken:
    """Do it, and time it inside the process, which costs nothing to start then. `abort` is called where even a killed process
    does not end, for the file system does not answer. Raises Stopped, Failed."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=child, args=(action, sender))
    process.start()
    sender.close()
    try:
        if not receiver.poll(limit_s):
            raise Stopped(f"> {limit_s:g} s")
        taken: Taken | str = receiver.recv()
    except EOFError:
        taken = "its process was killed"
    finally:
        end(process, abort)
        receiver.close()
    if isinstance(taken, str):
        raise Failed(taken)
    return taken


def child(action: Callable[[], object], sender: Connection) -> None:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    began_s = time.perf_counter()
    try:
        value = action()
    except Exception as problem:
        sender.send(reason(problem))
    else:
        seconds = time.perf_counter() - began_s
        sender.send(Taken(began_s, seconds, value))


def end(process: ForkProcess, abort: Callable[[], None]) -> None:
    """It and what it started; one that has done its work is on its way out by itself."""
    process.join(0.2)
    for _ in range(2):
        if process.pid is not None and process.is_alive():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.join(END_S)
            if process.is_alive():
                abort()
    process.join(END_S)


def reason(problem: Exception) -> str:
    """In a few words."""
    if isinstance(problem, subprocess.CalledProcessError):
        lines = str(problem.stderr or "").strip().splitlines() or [f"{problem.cmd[0]} ended with {problem.returncode}"]
        text = lines[0].rpartition(": ")[2]
    elif isinstance(problem, OSError) and problem.strerror:
        text = problem.strerror
    else:
        text = str(problem) or type(problem).__name__
    return text.strip()[:REASON_CHARACTERS]
