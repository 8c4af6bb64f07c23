"""The one exception tree, and the one table from it to errno.

    KumofsError
    ├── FileError ............ what a program is told about a file (ERRNO below)
    │   ├── NotFound · Exists · IsDirectory · NotDirectory · NotEmpty
    │   ├── AccessDenied · NotPermitted · ReadOnly
    │   ├── InvalidArgument · BadName · NameTooLong · TooManyLinks
    │   ├── NoAttribute · AttributeTooLarge · NoSpace · TooLarge · NotSupported · StaleHandle
    │   └── DamagedFile · StagingUnavailable
    ├── Duplicate ............ an insert met its `_id` (or a unique index): catalog only
    ├── CatalogUnavailable ... the catalog could not be asked; says nothing about files
    ├── StoreError
    │   ├── StoreUnavailable . the store could not be asked; says nothing about objects
    │   │   ├── StoreRefused . it answered that it will not: trying again does not help until somebody sets that right
    │   │   │   ├── NoSuchBucket · WrongRegion · ClockSkew
    │   │   │   └── BadStoreCredentials · StoreTokenExpired · StoreAccessDenied
    │   │   └── StoreThrottled it asks to be asked less often
    │   ├── NoSuchObject · NoSuchUpload · PreconditionFailed · RangeNotSatisfiable
    │   ├── KeyRefused ....... the store cannot carry this key
    │   └── StoreFull
    ├── AccountError
    │   ├── BadCredentials · TooManyAttempts · NotSignedIn · SessionEnded
    │   └── BadEmail · BadPassword · EmailTaken
    ├── ConfigError .......... a setting is wrong
    └── MountError
        ├── MountPointMissing · MountPointNotEmpty · MountPointBusy · NotMounted
        └── FuseUnavailable · MountFailed · ControlRefused

Messages are for people: one line that says what to do. Drivers' exceptions (sqlite3, pymongo, boto3, OSError of the
directory store) are turned into these inside their own room and never leave it.
"""

from __future__ import annotations

import errno


class KumofsError(Exception):
    """Root of everything kumofs raises on purpose."""


class FileError(KumofsError):
    """Something a program asked of a file cannot be done; has an errno."""


class NotFound(FileError):
    """No such file or directory."""


class Exists(FileError):
    """The name is taken."""


class IsDirectory(FileError):
    """A directory where a file is needed."""


class NotDirectory(FileError):
    """A file where a directory is needed."""


class NotEmpty(FileError):
    """The directory still has entries."""


class AccessDenied(FileError):
    """The session may not do this, or has ended."""


class NotPermitted(FileError):
    """Nobody may do this (a read-only attribute, a hard link to a directory)."""


class ReadOnly(FileError):
    """The mount is read-only."""


class InvalidArgument(FileError):
    """The request makes no sense (a directory into itself, an unknown flag)."""


class BadName(FileError):
    """The name is not UTF-8."""


class NameTooLong(FileError):
    """The name has more than 255 bytes, or a symlink target more than 4,095."""


class TooManyLinks(FileError):
    """The file has as many names as it can have."""


class NoAttribute(FileError):
    """No extended attribute of that name."""


class AttributeTooLarge(FileError):
    """The value of an extended attribute is over its bound."""


class NoSpace(FileError):
    """No room: on the disk, in the store, or for one more attribute."""


class TooLarge(FileError):
    """The file would be larger than kumofs can keep."""


class NotSupported(FileError):
    """kumofs does not have this (an attribute outside user.*)."""


class StaleHandle(FileError):
    """The handle or inode is not known (any more)."""


class DamagedFile(FileError):
    """The bytes that the catalog names are not in the store: never shown as an empty or shorter file."""


class StagingUnavailable(FileError):
    """The disk that holds staged bytes does not take or give them."""


class Duplicate(KumofsError):
    """An insert met an existing `_id` or a unique index; `position` is the step of the batch (0 for a single insert)."""

    def __init__(self, message: str, position: int = 0) -> None:
        super().__init__(message)
        self.position = position


class CatalogUnavailable(KumofsError):
    """The catalog does not answer."""


class StoreError(KumofsError):
    """Root of what an object store answers."""


class StoreUnavailable(StoreError):
    """The store does not answer."""


class StoreRefused(StoreUnavailable):
    """The store answers, and refuses: trying again does not help until somebody sets that right."""


class NoSuchBucket(StoreRefused):
    """There is no bucket of that name."""


class WrongRegion(StoreRefused):
    """The bucket lies in another region than the one that was asked."""


class BadStoreCredentials(StoreRefused):
    """No credentials were found, or the store does not know them."""


class StoreTokenExpired(StoreRefused):
    """The credentials were good once and have expired."""


class StoreAccessDenied(StoreRefused):
    """The credentials are good, and may not do this."""


class ClockSkew(StoreRefused):
    """This machine's clock and the store's are too far apart for a signature to be accepted."""


class StoreThrottled(StoreUnavailable):
    """The store asks to be asked less often, and still did at the deadline."""


class NoSuchObject(StoreError):
    """There is no object under that key."""


class NoSuchUpload(StoreError):
    """There is no multipart upload of that id."""


class PreconditionFailed(StoreError):
    """The object is not the one that the condition names."""


class RangeNotSatisfiable(StoreError):
    """The range begins behind the object's end."""


class KeyRefused(StoreError):
    """The store cannot carry this key (too long, a component it reserves, a file where a folder is needed)."""


class StoreFull(StoreError):
    """The store has no room."""


class AccountError(KumofsError):
    """Root of sign-up, sign-in and sessions."""


class BadCredentials(AccountError):
    """Unknown user, wrong password or a damaged hash: never says which."""


class TooManyAttempts(AccountError):
    """Too many failures; try again later."""


class NotSignedIn(AccountError):
    """There is no session on this machine."""


class SessionEnded(AccountError):
    """The session expired, was signed out, or the password was changed."""


class BadEmail(AccountError):
    """Not an email address."""


class BadPassword(AccountError):
    """The new password cannot be used; says why."""


class EmailTaken(AccountError):
    """Somebody signed up with that address already."""


class ConfigError(KumofsError):
    """A setting is wrong; says which and what would be right."""


class MountError(KumofsError):
    """Root of mounting and unmounting."""


class MountPointMissing(MountError):
    """The mount point is no directory."""


class MountPointNotEmpty(MountError):
    """The mount point has files in it."""


class MountPointBusy(MountError):
    """Something is mounted there already, or programs still use it."""


class NotMounted(MountError):
    """No kumofs is mounted there."""


class FuseUnavailable(MountError):
    """FUSE is not there, or may not be used."""


class MountFailed(MountError):
    """The daemon ended before the mount answered."""


class ControlRefused(MountError):
    """The mount's control socket belongs to somebody else, or did not answer."""


ERRNO: dict[type[KumofsError], int] = {
    NotFound: errno.ENOENT,
    Exists: errno.EEXIST,
    IsDirectory: errno.EISDIR,
    NotDirectory: errno.ENOTDIR,
    NotEmpty: errno.ENOTEMPTY,
    AccessDenied: errno.EACCES,
    NotPermitted: errno.EPERM,
    ReadOnly: errno.EROFS,
    InvalidArgument: errno.EINVAL,
    BadName: errno.EILSEQ,
    NameTooLong: errno.ENAMETOOLONG,
    TooManyLinks: errno.EMLINK,
    NoAttribute: errno.ENODATA,
    AttributeTooLarge: errno.E2BIG,
    NoSpace: errno.ENOSPC,
    TooLarge: errno.EFBIG,
    NotSupported: errno.EOPNOTSUPP,
    StaleHandle: errno.ESTALE,
    DamagedFile: errno.EIO,
    StoreFull: errno.ENOSPC,
    SessionEnded: errno.EACCES,
}
"""The errno of each exception; what is not listed here, and is under no listed class, is EIO."""


def errno_of(problem: BaseException) -> int:
    """The errno a program sees for an exception; EIO for everything the table does not name."""
    for cls in type(problem).__mro__:
        if cls in ERRNO:
            return ERRNO[cls]
    return errno.EIO
