"""Escaping of one component of a key: what stores refuse or would read as something else."""

from __future__ import annotations

ESCAPES = {code: f"%{code:02X}" for code in (*range(0x20), 0x7F)}
"""C0 controls and DEL, as `str.translate` takes them."""
DOTS = {".": "%2E", "..": "%2E%2E"}


def escape_component(name: str) -> str:
    """The name as a component of a key: controls become %XX, `.` and `..` cannot come out.

    A literal `%` stays as it is, so two names can give one component: the catalog keeps the true name, and claims tell
    the two keys apart.
    """
    return DOTS.get(name, name) if name.isprintable() else name.translate(ESCAPES)
