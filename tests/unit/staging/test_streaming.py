"""A stream and its commit make what the staged file has, whatever is written, cut and sent in between."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from kumofs.catalog.claims import read_inode
from kumofs.catalog.create import create
from kumofs.catalog.unlink import unlink
from kumofs.model import Inode, Kind
from kumofs.staging import stream, streaming
from kumofs.staging.commit import Outcome, commit
from kumofs.staging.staged import StagedFile
from kumofs.staging.streaming import begin, may_stream, send_next
from tests.crash.in_parts import InParts

PART_BYTES = 8


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "PART_BYTES", PART_BYTES)
    monkeypatch.setattr(streaming, "PART_BYTES", PART_BYTES)
    monkeypatch.setattr(streaming, "BEGIN_BYTES", 2 * PART_BYTES)


@pytest.fixture
def far(home) -> InParts:
    return InParts(home.store)


@pytest.fixture
def staged(home) -> Iterator[StagedFile]:
    made = create(home.engine, home.numbers, home.root, "new", Inode(0, "h", Kind.FILE, (), 0o644, 0, 0, 1, 1, 1, 1, "o"))
    new = StagedFile(home.area, made.ino, None)
    yield new
    new.close()


def streamed(home, far, staged) -> stream.Stream:
    made = begin(home.engine, far, staged)
    assert made is not None
    staged.begin_stream(made)
    return made


@pytest.mark.parametrize("seed", range(30))
def test_what_is_committed_is_what_was_written(home, far, staged, seed) -> None:
    draw = random.Random(seed)
    model = bytearray(draw.randbytes(20))
    staged.write(0, bytes(model))
    under_way = streamed(home, far, staged)
    for _ in range(draw.randint(1, 12)):
        kind, body = (
            draw.choice(["append", "append", "send", "send", "edit", "beyond", "cut"]),
            draw.randbytes(draw.randint(1, 12)),
        )
        offset = {"append": len(model), "beyond": len(model) + 5}.get(kind, draw.randrange(len(model) or 1))
        if kind == "send":
            send_next(far, staged, under_way)
        elif kind == "cut":
            staged.truncate(offset)
            del model[offset:]
        else:
            staged.write(offset, body)
            model.extend(bytes(max(0, offset + len(body) - len(model))))
            model[offset : offset + len(body)] = body
    assert commit(home.engine, far, staged).outcome is Outcome.COMMITTED
    content = read_inode(home.engine, staged.ino).content
    assert home.objects() == {content.key: bytes(model)}
    assert (content.size, content.data) == (len(model), staged.data)
    assert list(home.store.list_uploads()) == []
    assert not list(home.area.directory.glob("*.upload"))


def test_what_was_sent_and_not_changed_is_not_sent_again(home, far, staged, monkeypatch) -> None:
    staged.write(0, b"0" * 36)
    under_way = streamed(home, far, staged)
    while send_next(far, staged, under_way):
        pass
    staged.write(10, b"changed")
    sent = []
    send = home.store.upload_part
    monkeypatch.setattr(
        home.store, "upload_part", lambda key, upload, number, body: sent.append(number) or send(key, upload, number, body)
    )
    commit(home.engine, far, staged)
    assert sorted(sent) == [2, 3, 5], "the two that were changed, and the last, which was not whole"
    assert home.objects() == {"h/new": b"0" * 10 + b"changed" + b"0" * 19}


def test_a_part_that_changes_while_it_is_sent_is_sent_again(home, far, staged, monkeypatch) -> None:
    staged.write(0, b"0" * 16)
    under_way = streamed(home, far, staged)
    read = stream.read_part

    def changed_then(path, start, length) -> bytes:
        body = read(path, start, length)
        staged.write(start, b"1")
        return body

    with monkeypatch.context() as patch:
        patch.setattr(stream, "read_part", changed_then)
        assert send_next(far, staged, under_way)
    commit(home.engine, far, staged)
    assert home.objects() == {"h/new": b"1" + b"0" * 15}


def test_of_a_file_that_is_removed_nothing_stays(home, far, staged) -> None:
    staged.write(0, b"0" * 24)
    send_next(far, staged, streamed(home, far, staged))
    unlink(home.engine, home.root, "new", 2)
    assert commit(home.engine, far, staged).outcome is Outcome.UNLINKED
    assert staged.stream is None
    assert list(home.store.list_uploads()) == []
    assert home.engine.scan("objects") == []


def test_a_stream_that_was_taken_away_is_no_reason_not_to_commit(home, far, staged) -> None:
    staged.write(0, b"0" * 24)
    under_way = streamed(home, far, staged)
    send_next(far, staged, under_way)
    home.store.abort_upload(under_way.claimed.key, under_way.upload_id)
    assert commit(home.engine, far, staged).outcome is Outcome.COMMITTED
    assert home.objects() == {"h/new": b"0" * 24}


def test_what_else_lies_under_the_key_stays(home, far, staged) -> None:
    staged.write(0, b"0" * 24)
    send_next(far, staged, streamed(home, far, staged))
    home.store.put("h/new", b"not ours")
    assert commit(home.engine, far, staged).outcome is Outcome.COMMITTED
    content = read_inode(home.engine, staged.ino).content
    assert home.objects() == {"h/new": b"not ours", content.key: b"0" * 24}


def test_only_what_is_new_large_and_written_in_order_is_streamed(home, far, staged) -> None:
    staged.write(PART_BYTES, b"0" * 3 * PART_BYTES)
    assert not may_stream(far, staged), "not from its beginning on"
    staged.write(0, b"0" * PART_BYTES)
    assert not may_stream(far, staged), "not so much in order"
    staged.write(PART_BYTES, b"0" * PART_BYTES)
    assert may_stream(far, staged)
    assert not may_stream(home.store, staged), "the store is on this machine"
