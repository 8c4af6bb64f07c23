"""A store that is elsewhere and makes large objects anew of parts, as S3 does: each request for a part is a step of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kumofs.errors import StoreError
from kumofs.store.pieces import Piece, gone_is_changed
from kumofs.store.protocol import Began, ObjectInfo

PART_MIN_BYTES = 4


class InParts:
    """Passes calls on to a store that has the requests for parts."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.capabilities = replace(inner.capabilities, local_files=False, part_min_bytes=PART_MIN_BYTES)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def put_pieces(
        self,
        key: str,
        path: Path,
        pieces: Sequence[Piece],
        *,
        if_match: str,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        began: Began | None = None,
    ) -> ObjectInfo:
        upload_id = self._inner.create_upload(key, content_type=content_type, metadata=metadata)
        assert began is not None
        began(upload_id)
        try:
            with gone_is_changed(key):
                parts = [self._part(key, upload_id, number, path, piece, if_match) for number, piece in enumerate(pieces, 1)]
            return self._inner.complete_upload(key, upload_id, parts, if_match=if_match)
        except StoreError:
            self._inner.abort_upload(key, upload_id)
            raise

    def _part(self, key: str, upload_id: str, number: int, path: Path, piece: Piece, etag: str) -> tuple[int, str]:
        if piece.copied:
            return number, self._inner.copy_part(key, upload_id, number, key, piece.start, piece.length, etag)
        body = path.read_bytes()[piece.start : piece.start + piece.length]
        assert len(body) == piece.length
        return number, self._inner.upload_part(key, upload_id, number, body)
