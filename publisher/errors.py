"""Every deliberate error of the publisher: one tree, each class with a stable ``code``.

::

    PublisherError                    internal_error
    ├── SettingsError                 bad_settings
    ├── StoreError                    store_failed
    │   ├── UnsafeSqliteError         unsafe_sqlite
    │   ├── DamagedError              damaged_database
    │   ├── NoRoomError               no_room
    │   ├── NotFoundError             not_found
    │   ├── ConflictError             conflict
    │   │   ├── StaleVersionError     stale_version
    │   │   ├── MergedError           merged
    │   │   ├── KeyInUseError         key_in_use
    │   │   ├── KeyReusedError        key_reused
    │   │   └── AddressTakenError     address_taken
    │   └── InvalidError              invalid
    │       └── AmbiguousNameError    ambiguous_name
    ├── UnauthenticatedError          unauthenticated
    │   └── TokenError                bad_token
    ├── ForbiddenError                forbidden
    ├── PreconditionRequiredError     precondition_required
    ├── MarkdownError                 bad_markdown
    │   └── MarkdownTimeoutError      markdown_too_slow
    ├── JobStoppedError               job_stopped
    ├── GivenUpError                  given_up
    ├── ImportSourceError             bad_import_source
    ├── BuildError                    build_failed
    │   └── DamagedObjectError        damaged_object
    ├── DeliveryError                 delivery_failed
    │   ├── BundleError               bad_bundle
    │   ├── UnseenError               not_seen
    │   ├── TargetError               target_failed
    │   │   ├── RefusedError          refused
    │   │   └── LeaseLostError        lease_lost
    │   ├── TooManyDeletesError       too_many_deletes
    │   ├── EmptySiteError            empty_site
    │   ├── PurgeError                purge_failed
    │   ├── AnnouncingError           announcing_failed
    │   ├── HaltedError               halted
    │   ├── LeaseHeldError            lease_held
    │   ├── DivergedError             diverged
    │   └── BundlesBehindError        bundles_behind
    ├── BackupError                   backup_failed
    │   └── PassphraseError           bad_passphrase
    ├── StackError                    stack_failed
    └── DeskError                     desk_failed
        └── OfflineError              offline

Adapters translate foreign exceptions into these with ``raise … from`` at the place that met them. The HTTP face maps
``code`` to a status; nothing matches on message text. A message says what to do about it.
"""

from __future__ import annotations

from typing import Any, ClassVar


class PublisherError(Exception):
    """The root: a failure that the program foresaw and can explain."""

    code: ClassVar[str] = "internal_error"

    def __reduce__(self) -> tuple[Any, ...]:
        """Go from process to process whole, whatever its constructor takes."""
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[PublisherError], args: tuple[Any, ...], state: dict[str, Any]) -> PublisherError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class SettingsError(PublisherError):
    """A setting is missing, misspelt or out of range; the message names it."""

    code = "bad_settings"


class StoreError(PublisherError):
    """The content database refused an operation."""

    code = "store_failed"


class UnsafeSqliteError(StoreError):
    """The linked SQLite can corrupt a WAL database (before 3.51.3)."""

    code = "unsafe_sqlite"


class DamagedError(StoreError):
    """A database has lost what it must have; `publisher.damage` says what to do about which file."""

    code = "damaged_database"
    exit_status: ClassVar[int] = 65  # EX_DATAERR of sysexits.h: to start the command again helps nobody


class NoRoomError(StoreError):
    """The disk has less room than the low-water mark; nothing was written."""

    code = "no_room"


class NotFoundError(StoreError):
    """No entity has this id, slug or name."""

    code = "not_found"


class ConflictError(StoreError):
    """The write contradicts what is stored (a taken id, slug or e-mail; an impossible state change)."""

    code = "conflict"


class StaleVersionError(ConflictError):
    """Based on version ``expected``, but ``current`` is stored; ``proposal`` says both changes, where they fit."""

    code = "stale_version"

    def __init__(self, expected: int, current: int, proposal: object = None) -> None:
        based = f"version {expected}" if expected else "no version of it"
        super().__init__(f"based on {based}, but version {current} is stored; read it again")
        self.expected = expected
        self.current = current
        self.proposal = proposal


class MergedError(ConflictError):
    """The product was merged into another, ``into``, and is no more."""

    code = "merged"

    def __init__(self, name: str, into: str) -> None:
        super().__init__(f"{name} was merged into another product; go to /products/{into}")
        self.into = into


class KeyInUseError(ConflictError):
    """A request with the same idempotency key is still running."""

    code = "key_in_use"


class AddressTakenError(ConflictError):
    """Another review has the slug that was asked for."""

    code = "address_taken"


class KeyReusedError(ConflictError):
    """The idempotency key was used before, for another request."""

    code = "key_reused"


class InvalidError(StoreError):
    """A value breaks a rule; ``field`` names it (a JSON path such as ``$.title``)."""

    code = "invalid"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class AmbiguousNameError(InvalidError):
    """A name means several products, ``candidates`` (id and full name); the caller has to say which."""

    code = "ambiguous_name"

    def __init__(self, field: str, name: str, candidates: tuple[tuple[str, str], ...]) -> None:
        meant = ", ".join(full for _, full in candidates)
        super().__init__(field, f"{name} can mean {meant}; name the one you mean in full, or its id")
        self.candidates = candidates


class UnauthenticatedError(PublisherError):
    """The caller did not prove who they are."""

    code = "unauthenticated"


class TokenError(UnauthenticatedError):
    """A token is malformed, expired, revoked, or meant for something else; ``has_ended`` when it was good once."""

    code = "bad_token"

    def __init__(self, message: str, *, has_ended: bool = False) -> None:
        super().__init__(message)
        self.has_ended = has_ended


class ForbiddenError(PublisherError):
    """The caller is known, but may not do this."""

    code = "forbidden"


class PreconditionRequiredError(PublisherError):
    """The write does not say on which version it is based."""

    code = "precondition_required"


class MarkdownError(PublisherError):
    """A text cannot be rendered (too long, too deep)."""

    code = "bad_markdown"


class MarkdownTimeoutError(MarkdownError):
    """A text took longer to render than is allowed."""

    code = "markdown_too_slow"


class ImportSourceError(PublisherError):
    """A document to import cannot be read; the message says why."""

    code = "bad_import_source"


class JobStoppedError(PublisherError):
    """A job was cancelled, or its process is to end and it goes on with the next one."""

    code = "job_stopped"

    def __init__(self, reason: str, *, is_cancelled: bool) -> None:
        super().__init__(reason)
        self.is_cancelled = is_cancelled


class GivenUpError(PublisherError):
    """Work that can be begun again at any time was given up, because something that cannot wait for its end came."""

    code = "given_up"


class BuildError(PublisherError):
    """The site could not be rendered."""

    code = "build_failed"


class DamagedObjectError(BuildError):
    """Objects in ``build/`` are missing or do not hash to their names."""

    code = "damaged_object"

    def __init__(self, *digests: str) -> None:
        said = f"{len(digests)} objects of the build store are missing or damaged ({digests[0]}, …)"
        super().__init__(f"{said}; the next push renders them again")
        self.digests = digests


class DeliveryError(PublisherError):
    """Something between the build and a reader failed."""

    code = "delivery_failed"


class BundleError(DeliveryError):
    """The bundles of a site are not what they should be, or cannot be read."""

    code = "bad_bundle"


class UnseenError(DeliveryError):
    """Readers do not get yet what was pushed; the next look may find it."""

    code = "not_seen"


class TooManyDeletesError(DeliveryError):
    """A push would remove more at once than is allowed without being told so."""

    code = "too_many_deletes"


class EmptySiteError(DeliveryError):
    """A push would leave a target without a single review."""

    code = "empty_site"


class TargetError(DeliveryError):
    """A bucket refused or failed an operation; ``reason`` is one word for what kept it."""

    code = "target_failed"

    def __init__(self, message: str, reason: str = "unavailable") -> None:
        super().__init__(message)
        self.reason = reason


class RefusedError(TargetError):
    """A write had a condition that did not hold: somebody else wrote there, or the response to our own was lost."""

    code = "refused"

    def __init__(self, message: str) -> None:
        super().__init__(message, "precondition")


class LeaseLostError(TargetError):
    """Another publisher has taken the lease of the bucket."""

    code = "lease_lost"

    def __init__(self, message: str) -> None:
        super().__init__(message, "lease_lost")


class PurgeError(DeliveryError):
    """A CDN did not purge; ``retry_after`` are the seconds it asks to be left alone, None when it says nothing."""

    code = "purge_failed"

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class AnnouncingError(DeliveryError):
    """Search engines could not be told; ``retry_after`` as for PurgeError."""

    code = "announcing_failed"

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class HaltedError(DeliveryError):
    """An operator took the target out of the rollout."""

    code = "halted"


class LeaseHeldError(DeliveryError):
    """Another publisher is at work on the same data directory, or has the lease of the same bucket."""

    code = "lease_held"


class DivergedError(DeliveryError):
    """A target shows what the content here does not continue: it would fall for readers and apps."""

    code = "diverged"


class BundlesBehindError(DeliveryError):
    """What is built for apps is older than what they were shown: it has to be built anew before anything is sent."""

    code = "bundles_behind"


class BackupError(PublisherError):
    """A backup or an archive is missing, damaged, or cannot be brought back; the message says what to do."""

    code = "backup_failed"


class PassphraseError(BackupError):
    """Encrypted keys do not open with the passphrase, or it is none."""

    code = "bad_passphrase"


class StackError(PublisherError):
    """A part of the embedded stack did not start or stay up."""

    code = "stack_failed"


class DeskError(PublisherError):
    """An editor's folder cannot be worked with as asked; the message says what to do instead."""

    code = "desk_failed"


class OfflineError(DeskError):
    """The write API did not answer: nothing is lost, the same may be asked later.

    ``arrived``: whether the request may have reached it; ``seconds``: for how long it asks to be left alone.
    """

    code = "offline"

    def __init__(self, reason: str, *, arrived: bool = False, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.arrived = arrived
        self.seconds = seconds
