"""Credentials that may be replaced while a mount runs: where the server refuses them they are looked for again.

boto3 reads the ones of a file once; those that expire by plan (a role, SSO) it renews by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Any

from kumofs.errors import BadStoreCredentials, KumofsError, StoreAccessDenied, StoreTokenExpired

LOOK_AGAIN_S = 5.0
"""At most once in so long: looking may ask a process, or a server."""
REFUSALS = (BadStoreCredentials, StoreTokenExpired, StoreAccessDenied)
"""What other credentials may help against."""


class RenewableCredentials:
    """botocore's credentials, of which `look` finds new ones (None: there are none now). Thread-safe."""

    def __init__(self, look: Callable[[], Any], found: Any) -> None:
        self._look = look
        self._current = found
        self._looked_s = -LOOK_AGAIN_S
        self._lock = Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._current, name)

    def renewed(self, refused: Any) -> bool:
        """Whether there are other credentials now than the (frozen) ones that were refused."""
        with self._lock:
            if self.get_frozen_credentials() != refused:
                return True
            if time.monotonic() - self._looked_s < LOOK_AGAIN_S:
                return False
            self._looked_s = time.monotonic()
            try:
                found = self._look()
                if found is None or found.get_frozen_credentials() == refused:
                    return False
            except (KumofsError, RuntimeError):  # somebody is just writing the file, or it is as bad as before
                return False
            self._current = found
            return True


class Chain:
    """What a botocore session asks for credentials, in the place of its own chain, which `look` goes through afresh."""

    def __init__(self, look: Callable[[], Any]) -> None:
        self._look = look

    def load_credentials(self) -> RenewableCredentials | None:
        """The credentials; None where there are none. What `look` raises."""
        found = self._look()
        return None if found is None else RenewableCredentials(self._look, found)


def renewed(credentials: Any, refused: Any) -> bool:
    """Whether there are other credentials now; those that were given to a session by hand are for ever."""
    return isinstance(credentials, RenewableCredentials) and credentials.renewed(refused)
