"""Editors: your own account, and for administrators everybody's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeVar

import msgspec
from litestar import Response, Router, get, patch, post
from litestar.openapi.spec import Example
from litestar.params import Body, PathParameter
from msgspec import UNSET

from api import repeats
from api.access import SECURITY, administrator, signed_in
from api.accounts import (
    EditorAnswer,
    EditorPage,
    GeneratedPassword,
    NewEditor,
    NewEditorAnswer,
    PartOfEditor,
    PartOfMe,
    PasswordChange,
    editor_answer,
    new_editor_answer,
)
from api.body import Json
from api.editing import Precondition
from api.newsroom import newsroom_of, written
from api.problems import too_often
from api.routes.answers import answers, etag, refusals
from api.routes.asking import Asking, Cursor, IdempotencyKey, Limit, MayMatch, done, sent
from api.routes.examples import ACCOUNT, ACCOUNTS, EDITOR_ID, NEW_ACCOUNT
from publisher.content import browsing, editors, sessions
from publisher.content.model import Editor, Role
from publisher.content.replies import Reply
from publisher.content.writer import Transaction
from publisher.errors import ForbiddenError, InvalidError, UnauthenticatedError

T = TypeVar("T")

VERSIONED = ("ETag",)
NEW = Example(
    summary="Make an account with a generated password",
    value={"email": "ana@example.com", "name": "Ana Quispe", "role": "editor"},
)
NEW_WITH_PASSWORD = Example(
    summary="Make an account with a password",
    value={"email": "julia@example.com", "name": "Julia Souza", "role": "chief", "password": "correct horse battery"},
)
PROMOTED = Example(summary="Make a chief editor of an editor", value={"role": "chief"})
DISABLED = Example(summary="Close an account", value={"disabled": True})
RENAMED = Example(summary="Another public name", value={"name": "Ana María Quispe"})
PASSWORDS = Example(
    summary="Change your password", value={"current": "correct horse battery", "new": "another long password"}
)
EditorIdentity = Annotated[
    str,
    PathParameter(description="The id of the account.", examples=[Example(summary="An account", value=EDITOR_ID)]),
]


@get(
    "/me",
    operation_id="getMe",
    summary="Your own account",
    description="Name, e-mail address and role of whose token it is.",
    responses=answers(EditorAnswer, ACCOUNT, headers=VERSIONED),
)
async def me(request: Asking) -> Response[EditorAnswer]:
    """The account of whoever asks."""
    return sent(_account(await newsroom_of(request).read(editors.get, request.user.editor_id)))


@patch(
    "/me",
    dto=Json[PartOfMe],
    operation_id="amendMe",
    summary="Change your public name",
    description="Your page and your reviews show it with the next publish; their addresses stay.",
    responses=answers(EditorAnswer, ACCOUNT, headers=VERSIONED) | refusals("stale_version"),
)
async def amend_me(
    request: Asking,
    data: Annotated[PartOfMe, Body(examples=[RENAMED])],
    if_match: MayMatch = None,
    key: IdempotencyKey = None,
) -> Response[EditorAnswer]:
    """Change what is named of your own account."""
    said, condition = PartOfEditor(name=data.name), Precondition.optional(if_match)
    operation = partial(_amend_own, session_id=request.user.session_id, condition=condition, said=said)
    return await done(request, operation, _account, key=key, said=(if_match, data))


@post(
    "/me/password",
    dto=Json[PasswordChange],
    opt=repeats.refused("nothing of a password is kept; sent again after it was done, `current` is not yours any more"),
    status_code=204,
    operation_id="changeMyPassword",
    summary="Change your password",
    description="Takes the password you have and the one you want; every other session of yours is ended. It is a 409 "
    "when the account was changed in the meantime.",
    responses=refusals("throttled", "conflict"),
)
async def change_my_password(request: Asking, data: Annotated[PasswordChange, Body(examples=[PASSWORDS])]) -> None:
    """Check the password as when signing in, and keep the new one."""
    newsroom, who = newsroom_of(request), request.user
    wait = newsroom.password_changes.wait(who.editor_id)
    if wait > 0 or newsroom.is_crowded:
        raise too_often(wait)
    newsroom.password_changes.count(who.editor_id)
    held = await newsroom.read(editors.get, who.editor_id)
    try:
        checked = await newsroom.authenticate(held.email, data.current)
    except UnauthenticatedError as error:
        raise InvalidError("$.current", "not your password") from error
    newsroom.password_changes.clear(who.editor_id)
    password_hash = await newsroom.hashed(data.new)
    operation = partial(
        sessions.change_password, session_id=who.session_id, checked=checked, password_hash=password_hash
    )
    await written(request, operation)
    newsroom.gate.forget(who.editor_id)


@post(
    dto=Json[NewEditor],
    opt=repeats.refused("nothing of a password is kept; sent again after it was done, it is a 409, and there is reset"),
    guards=[administrator],
    operation_id="createEditor",
    summary="Make an account",
    description="For administrators. Without `password`, one is generated and told in this answer, and never again.",
    responses=answers(NewEditorAnswer, NEW_ACCOUNT, 201, headers=("Location", *VERSIONED))
    | refusals("forbidden", "conflict", "throttled"),
)
async def create(
    request: Asking, data: Annotated[NewEditor, Body(examples=[NEW, NEW_WITH_PASSWORD])]
) -> Response[NewEditorAnswer]:
    """Make an account."""
    generated = editors.generated_password() if data.password is None else None
    password_hash = await _hashed(request, data.password or generated or "")
    operation = partial(editors.create, email=data.email, name=data.name, role=data.role, password_hash=password_hash)
    editor = await written(request, _administered(request, operation))
    headers = {"Location": f"/editors/{editor.id}", "ETag": etag(editor.version)}
    return Response(new_editor_answer(editor, generated), status_code=201, headers=headers)


@get(
    guards=[administrator],
    operation_id="listEditors",
    summary="List accounts",
    description="For administrators: every account, closed ones too, in the order they were made.",
    responses=answers(EditorPage, ACCOUNTS) | refusals("forbidden"),
)
async def page(
    request: Asking,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response[EditorPage]:
    """One page of the accounts."""
    found, following = await newsroom_of(request).read(partial(browsing.editor_page, cursor=cursor, limit=limit))
    return Response(EditorPage(editors=tuple(map(editor_answer, found)), next=following))


@get(
    "/{editor_id:str}",
    guards=[administrator],
    operation_id="getEditor",
    summary="Read an account",
    description="For administrators.",
    responses=answers(EditorAnswer, ACCOUNT, headers=VERSIONED) | refusals("forbidden", "not_found"),
)
async def read(request: Asking, editor_id: EditorIdentity) -> Response[EditorAnswer]:
    """An account."""
    return sent(_account(await newsroom_of(request).read(editors.get, editor_id)))


@patch(
    "/{editor_id:str}",
    dto=Json[PartOfEditor],
    guards=[administrator],
    operation_id="amendEditor",
    summary="Change an account",
    description="For administrators: name, role, and whether it is closed. Closing an account ends its sessions at "
    "once. The last administrator who can sign in keeps the role and stays open.",
    responses=answers(EditorAnswer, ACCOUNT, headers=VERSIONED)
    | refusals("forbidden", "not_found", "conflict", "stale_version"),
)
async def amend(
    request: Asking,
    editor_id: EditorIdentity,
    data: Annotated[PartOfEditor, Body(examples=[RENAMED, PROMOTED, DISABLED])],
    if_match: MayMatch = None,
    key: IdempotencyKey = None,
) -> Response[EditorAnswer]:
    """Change what is named."""
    doing = partial(_amend, editor_id=editor_id, condition=Precondition.optional(if_match), said=data)
    answer = await done(request, _administered(request, doing), _account, key=key, said=(if_match, data))
    newsroom_of(request).gate.forget(editor_id)
    return answer


@post(
    "/{editor_id:str}/password",
    opt=repeats.refused(f"{repeats.SECRET}; when it was lost, reset the password again"),
    guards=[administrator],
    status_code=200,
    operation_id="resetPassword",
    summary="Reset a password",
    description="For administrators: generates a password, told in this answer and never again, and ends every session "
    "of the account.",
    responses=answers(GeneratedPassword, {"password": "qk3…generated…9fA"})
    | refusals("forbidden", "not_found", "throttled"),
)
async def reset_password(request: Asking, editor_id: EditorIdentity) -> Response[GeneratedPassword]:
    """Give an account a new password."""
    await newsroom_of(request).read(editors.get, editor_id)
    generated = editors.generated_password()
    password_hash = await _hashed(request, generated)
    operation = partial(_reset_password, editor_id=editor_id, password_hash=password_hash)
    await written(request, _administered(request, operation))
    newsroom_of(request).gate.forget(editor_id)
    return Response(GeneratedPassword(password=generated))


async def _hashed(request: Asking, password: str) -> str:
    newsroom = newsroom_of(request)
    if newsroom.is_crowded:
        raise too_often(0)
    return await newsroom.hashed(password)


def _administered(request: Asking, operation: Callable[[Transaction], T]) -> Callable[[Transaction], T]:
    """`operation` for one who still is an administrator when it is done."""
    return partial(_as_administrator, session_id=request.user.session_id, operation=operation)


def _as_administrator(tx: Transaction, session_id: str, operation: Callable[[Transaction], T]) -> T:
    if sessions.required(tx.db, session_id).role is not Role.administrator:
        raise ForbiddenError("only an administrator may do this, and you are none any more")
    return operation(tx)


def _account(editor: Editor) -> Reply:
    return Reply(status=200, headers={"ETag": etag(editor.version)}, body=msgspec.json.encode(editor_answer(editor)))


def _amend_own(tx: Transaction, session_id: str, condition: Precondition, said: PartOfEditor) -> Editor:
    return _amend(tx, sessions.required(tx.db, session_id).id, condition, said)


def _amend(tx: Transaction, editor_id: str, condition: Precondition, said: PartOfEditor) -> Editor:
    editor = editors.get(tx.db, editor_id)
    condition.require_version(editor.version)
    if said.name is not UNSET:
        editor = editors.rename(tx, editor_id, said.name)
    if said.role is not UNSET:
        editor = editors.set_role(tx, editor_id, said.role)
    if said.disabled is not UNSET:
        editor = editors.set_disabled(tx, editor_id, said.disabled)
        if editor.disabled:
            sessions.revoke_all(tx, editor_id)
    return editor


def _reset_password(tx: Transaction, editor_id: str, password_hash: str) -> None:
    editors.replace_password(tx, editor_id, password_hash)
    sessions.revoke_all(tx, editor_id)


router = Router(
    "/editors",
    route_handlers=[me, amend_me, change_my_password, create, page, read, amend, reset_password],
    guards=[signed_in],
    security=SECURITY,
    return_dto=None,
    tags=["editors"],
)
