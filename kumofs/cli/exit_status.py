"""Exit statuses: the one table. Documented in docs/operations.md; a test compares the two."""

from __future__ import annotations

from kumofs.errors import (
    AccountError,
    BadCredentials,
    BadEmail,
    BadPassword,
    CatalogUnavailable,
    ConfigError,
    ControlRefused,
    EmailTaken,
    FileError,
    FuseUnavailable,
    KumofsError,
    MountFailed,
    MountPointBusy,
    MountPointMissing,
    MountPointNotEmpty,
    NotMounted,
    NotSignedIn,
    SessionEnded,
    StoreError,
    TooManyAttempts,
)

OTHER = 1
USAGE = 2
STATUS: dict[type[KumofsError], int] = {
    NotSignedIn: 3,
    SessionEnded: 4,
    BadCredentials: 5,
    TooManyAttempts: 6,
    BadEmail: 7,
    BadPassword: 8,
    EmailTaken: 9,
    MountPointMissing: 10,
    MountPointNotEmpty: 11,
    MountPointBusy: 12,
    FuseUnavailable: 13,
    CatalogUnavailable: 14,
    StoreError: 15,
    NotMounted: 16,
    MountFailed: 17,
    ControlRefused: 18,
    ConfigError: 19,
    FileError: 20,
    AccountError: OTHER,
}
"""What a command ends with for each exception, by its nearest class."""
UNSAVED = 21
"""`umount` unmounted, but files are still waiting for their upload."""


def status_of(problem: KumofsError) -> int:
    """The exit status of an exception."""
    return next((STATUS[cls] for cls in type(problem).__mro__ if cls in STATUS), OTHER)
