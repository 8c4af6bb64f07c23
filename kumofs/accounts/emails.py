"""Email addresses: one form of each, and the name of the home that is made from it."""

from __future__ import annotations

import re
import unicodedata

from kumofs.errors import BadEmail

EMAIL_MAX = 254
SHAPE = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+|[^@\s]+@localhost")


def normalise_email(text: str) -> str:
    """The address in the one form that is stored and compared: NFKC, lower case. BadEmail."""
    email = unicodedata.normalize("NFKC", text.strip()).lower()
    printable = all(unicodedata.category(char)[0] != "C" for char in email)
    if len(email) > EMAIL_MAX or not printable or not SHAPE.fullmatch(email):
        raise BadEmail("that is not an email address: write it as name@example.org")
    return email


def home_slug(email: str) -> str:
    """A readable first part of every key: the local part in a-z, 0-9 and "-"."""
    plain = unicodedata.normalize("NFKD", email.partition("@")[0]).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "home"
