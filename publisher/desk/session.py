"""Who is signed in on this machine: tokens in a file that only its owner can read, renewed by one process at a time.

A refresh token is good once, so whoever trades one holds the lock and writes the next down before using it; others
wait and find the new one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from publisher.desk import files
from publisher.desk.records import Account
from publisher.errors import DeskError, UnauthenticatedError

SIGN_IN = "sign in: publisher login URL"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session with a write API; `expires_at` (seconds since 1970) is when the access token ends."""

    url: str
    email: str
    editor_id: str
    access_token: str
    refresh_token: str
    expires_at: float

    @property
    def account(self) -> Account:
        """Whose it is, and where."""
        return Account(self.editor_id, self.url, self.email)


class Grant(msgspec.Struct, frozen=True):
    """What the API gives for a password or a refresh token; lives in seconds."""

    access_token: str
    refresh_token: str
    expires_in: float

    def session(self, before: Session, now: float) -> Session:
        """The session that goes on with this grant."""
        return msgspec.structs.replace(
            before, access_token=self.access_token, refresh_token=self.refresh_token, expires_at=now + self.expires_in
        )


def default_path(environ: Mapping[str, str], home: Path) -> Path:
    """Where the session is kept: a file of the user's state (XDG Base Directory)."""
    named = Path(environ.get("XDG_STATE_HOME", ""))
    return (named if named.is_absolute() else home / ".local" / "state") / "publisher" / "session.json"


class Sessions:
    """The one session of this user, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def current(self) -> Session | None:
        """The session; None when nobody is signed in."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Session)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DeskError(f"{self.path} cannot be read: {error.strerror}") from error
        except msgspec.DecodeError as error:
            raise UnauthenticatedError(f"{self.path} is damaged; {SIGN_IN}") from error

    def require(self) -> Session:
        """The session; UnauthenticatedError when nobody is signed in."""
        found = self.current()
        if found is None:
            raise UnauthenticatedError(f"nobody is signed in on this machine; {SIGN_IN}")
        return found

    def store(self, session: Session) -> None:
        """Keep a session, on disk when this returns, readable by its owner only."""
        self._prepare()
        files.replace(self.path, msgspec.json.encode(session), mode=0o600)

    def forget(self) -> None:
        """Remove the session from this machine."""
        self.path.unlink(missing_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the right to change the session; waits while another process has it."""
        self._prepare()
        handle = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _prepare(self) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DeskError(f"{self.path.parent} cannot be made: {error.strerror}") from error
