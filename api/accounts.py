"""What goes over the wire about accounts and sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api import patterns
from publisher.content.editors import MAX_PASSWORD, MIN_PASSWORD
from publisher.content.model import Editor, Role

Token = Annotated[str, Meta(min_length=1, max_length=4096)]
Email = Annotated[str, Meta(min_length=3, max_length=255), patterns.EMAIL]
PublicName = Annotated[
    str, Meta(min_length=1, max_length=120, description="Shown with their reviews."), patterns.NOT_BLANK
]
Password = Annotated[str, Meta(min_length=MIN_PASSWORD, max_length=MAX_PASSWORD)]


class EditorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An account."""

    id: str
    email: str
    name: str
    slug: str
    role: Role
    disabled: bool
    version: int
    created_at: datetime


class Credentials(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an editor signs in with."""

    email: Annotated[str, Meta(min_length=1, max_length=300)]
    password: Annotated[str, Meta(min_length=1, max_length=1000)]


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """An access token, to send as `Authorization: Bearer …`, and what to trade for the next one."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: Annotated[int, Meta(description="Seconds until the access token expires.")]
    refresh_token: Annotated[str, Meta(description="For `POST /auth/refresh`, once.")]
    refresh_expires_in: Annotated[int, Meta(description="Seconds until the refresh token expires.")]


class Renewal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A refresh token, to be traded for the next pair."""

    refresh_token: Token


class Revocation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which session to end: that of `token`, a refresh or an access token; without it, that of the request."""

    token: Token | None = None


class NewEditor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account to be made; without a password, one is generated and told once."""

    email: Email
    name: PublicName
    role: Role = Role.editor
    password: Password | None = None


class PartOfEditor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change of an account; a field left out stays."""

    name: PublicName | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class PartOfMe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What you may change of your own account."""

    name: PublicName | UnsetType = UNSET


class PasswordChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Your password now, and the one you want."""

    current: Annotated[str, Meta(min_length=1, max_length=1000)]
    new: Password


class NewEditorAnswer(EditorAnswer, frozen=True, kw_only=True):
    """An account that was made; `password` when it was generated, told this once."""

    password: str | None


class GeneratedPassword(msgspec.Struct, frozen=True, kw_only=True):
    """A password that was generated, told this once."""

    password: str


class EditorPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some accounts, in the order they were made; `next` is the cursor of the following page, null at the end."""

    editors: tuple[EditorAnswer, ...]
    next: str | None


def editor_answer(editor: Editor) -> EditorAnswer:
    """An account as the API shows it."""
    return EditorAnswer(
        id=editor.id, email=editor.email, name=editor.name, slug=editor.slug, role=editor.role,
        disabled=editor.disabled, version=editor.version, created_at=editor.created_at,
    )  # fmt: skip


def new_editor_answer(editor: Editor, password: str | None) -> NewEditorAnswer:
    """An account that was made, with the password that was generated for it."""
    return NewEditorAnswer(**msgspec.structs.asdict(editor_answer(editor)), password=password)
