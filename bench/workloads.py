"""The workloads: each works in a side's mount and gives seconds by name. Bytes are durable when they are listed in the bucket."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.bucket import Bucket
from bench.sides import Side

Seconds = dict[str, float]
EDIT_BYTES = 4096


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    files: int = 2000
    big_bytes: int = 512 << 20
    reads: int = 1000


def timed(action: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    action()
    return time.perf_counter() - began_s


def cold(side: Side) -> None:
    """A fresh mount, and nothing in the kernel's memory."""
    side.unmount()
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")
    side.mount()


def material(base: Path, sizes: Sizes) -> None:
    """Files of 1 to 64 KiB, the same in each run, and a big one."""
    chance = random.Random(1)
    (base / "many").mkdir(parents=True)
    for number in range(sizes.files):
        (base / "many" / f"{number:04}").write_bytes(chance.randbytes(chance.randrange(1 << 10, 64 << 10)))
    with open(base / "big", "wb") as file:
        for _ in range(sizes.big_bytes >> 20):
            file.write(chance.randbytes(1 << 20))


def small_files(side: Side, bucket: Bucket, base: Path, sizes: Sizes) -> Seconds:
    """Copied in, listed, read, renamed, removed."""
    wanted = sorted(path.stat().st_size for path in (base / "many").iterdir())
    took: Seconds = {}
    began_s = time.perf_counter()
    subprocess.run(["cp", "-r", str(base / "many"), str(side.top / "many")], check=True)
    took["copy in: close"] = time.perf_counter() - began_s
    took["copy in: durable"] = bucket.wait(lambda found: sorted(size for size, _ in found.values()) == wanted, began_s)
    cold(side)
    took["ls -lR, cold"] = timed(lambda: subprocess.run(["ls", "-lR", str(side.top)], check=True, capture_output=True))
    took["ls -lR, warm"] = timed(lambda: subprocess.run(["ls", "-lR", str(side.top)], check=True, capture_output=True))
    cold(side)
    took["read them all, cold"] = timed(lambda: [path.read_bytes() for path in sorted((side.top / "many").iterdir())])
    began_s = time.perf_counter()
    (side.top / "many").rename(side.top / "moved")
    took["rename the folder"] = time.perf_counter() - began_s
    took["rename: in the bucket"] = bucket.wait(
        lambda found: sum("/moved/" in f"/{key}" for key in found) == len(wanted), began_s
    )
    began_s = time.perf_counter()
    shutil.rmtree(side.top / "moved")
    took["rm -r"] = time.perf_counter() - began_s
    took["rm -r: in the bucket"] = bucket.wait(lambda found: not found, began_s)
    return took


def big_file(side: Side, bucket: Bucket, base: Path, sizes: Sizes) -> Seconds:
    """Written, read, read here and there, edited."""
    took: Seconds = {}
    big = side.top / "big"
    began_s = time.perf_counter()
    subprocess.run(["cp", str(base / "big"), str(big)], check=True)
    took["big file: close"] = time.perf_counter() - began_s
    took["big file: durable"] = bucket.wait(lambda found: [size for size, _ in found.values()] == [sizes.big_bytes], began_s)
    cold(side)
    took["read it, cold"] = timed(lambda: subprocess.run(["cp", str(big), "/dev/null"], check=True))
    took["read it, warm"] = timed(lambda: subprocess.run(["cp", str(big), "/dev/null"], check=True))
    cold(side)
    took["random 4 KiB reads, cold"] = timed(lambda: read_here_and_there(big, sizes))
    before = set(bucket.objects().values())
    began_s = time.perf_counter()
    edit(big, sizes.big_bytes // 2)
    took["edit 4 KiB: close"] = time.perf_counter() - began_s
    took["edit 4 KiB: durable"] = bucket.wait(lambda found: not before & set(found.values()) and len(found) == 1, began_s)
    big.unlink()
    return took


def read_here_and_there(path: Path, sizes: Sizes) -> None:
    chance = random.Random(2)
    with open(path, "rb", buffering=0) as file:
        for _ in range(sizes.reads):
            file.seek(chance.randrange(sizes.big_bytes - EDIT_BYTES))
            file.read(EDIT_BYTES)


def edit(path: Path, offset: int) -> None:
    with open(path, "r+b", buffering=0) as file:
        file.seek(offset)
        file.write(os.urandom(EDIT_BYTES))


def save(side: Side, bucket: Bucket, base: Path, sizes: Sizes) -> Seconds:
    """As editors do, over a file that is there: until the new bytes lie under the final key, and nothing else."""
    target, draft = side.top / "letter.txt", side.top / "letter.txt.tmp"
    target.write_bytes(b"before")
    bucket.wait(lambda found: [size for size, _ in found.values()] == [6], time.perf_counter())
    began_s = time.perf_counter()
    draft.write_bytes(b"the new text")
    draft.rename(target)
    saved_s = time.perf_counter() - began_s

    def settled(found: dict[str, tuple[int, str]]) -> bool:
        return [(key.rpartition("/")[2], size) for key, (size, _) in found.items()] == [("letter.txt", 12)]

    return {"save: rename returns": saved_s, "save: under its key": bucket.wait(settled, began_s)}


WORKLOADS: dict[str, Callable[[Side, Bucket, Path, Sizes], Seconds]] = {"small": small_files, "big": big_file, "save": save}
