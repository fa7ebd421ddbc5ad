"""How Schemathesis signs in, and gives those values that rules ask for which JSON Schema cannot say.

Every call is signed in as an administrator, in a session of its own where it ends the session. Those that are made of
the document's examples are about what is there, so that each operation is accepted at least once; what is answered to
all is noted.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.generation import GenerationMode

from publisher.content import ids, names, products, sheets
from publisher.content.database import connect
from publisher.content.model import Product, ProductId
from publisher.errors import NotFoundError
from tests.fuzzing import things
from tests.fuzzing.hooks_environ import ANOTHER, ANSWERS, DATA_DIR, EDITOR, EMAIL, PASSWORD, PRODUCT

_BARRED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_NUMBERS = itertools.count(1)
ENDING = ("signOut", "changeMyPassword")


schemathesis.serializer.alias(["application/jsonl"], "text/plain")


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Keep a call, unless its JSON Lines are no text: once sent they are one, so there is nothing to be refused."""
    return case.media_type != "application/jsonl" or isinstance(case.body, str)


@schemathesis.auth(refresh_interval=600)
class Bearer:
    """Puts a token into the header of each call."""

    def get(self, case: Any, context: Any) -> str:
        """The token that calls share."""
        return things.access_token()

    def set(self, case: Any, data: str, context: Any) -> None:
        """Sign a call in."""
        ends = case.operation.definition.raw.get("operationId") in ENDING
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {things.access_token() if ends else data}"}


def _named(value: str) -> str:
    """A product's name: one that has a letter or digit in its normal form."""
    return value if names.normal(value) else f"X{value}"[:150]


def _visible(value: str) -> str:
    """A title: one with a character that can be seen."""
    seen = any(letter.isprintable() and not letter.isspace() for letter in value)
    return value if seen else f"T{value}"[:150]


def _clean(value: str) -> str:
    """A long text: one without control characters."""
    return _BARRED.sub("", value) or "x"


FITTING: dict[str, Callable[[str], str]] = {
    "content": _clean,
    "title": _visible,
    "camera_model": _named,
    "lens_model": _named,
    "product_id": lambda _: os.environ[PRODUCT],
    "url": lambda value: f"https://hooks.example.org/{hashlib.sha256(value.encode()).hexdigest()}",
    "id": lambda _: ids.uuid7(datetime.now(UTC)),
    "publish_at": lambda _: (datetime.now(UTC) + timedelta(days=1)).isoformat(),
    "refresh_token": lambda _: things.refresh_token(),
    "token": lambda _: things.refresh_token(),
    "current": lambda _: os.environ[PASSWORD],
    "new": lambda _: os.environ[PASSWORD],
}
"""What a field must hold beyond its schema: a visible title, a name, a product that is there, an id of this time, …"""


def _whole(value: Any) -> Any:
    """Whole numbers written as such: JSON Schema takes 3.0 for an integer, the service does not."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(part) for name, part in value.items()}
    return [_whole(part) for part in value] if isinstance(value, list) else value


def _held(product_id: str) -> Product | None:
    """The product that a call is about; None when there is none."""
    with closing(connect(Path(os.environ[DATA_DIR]) / "content.db", readonly=True)) as db:
        try:
            return products.get(db, ProductId(product_id))
        except NotFoundError:
            return None


def _another(held: Product) -> str:
    """Another product of the same kind, which is new."""
    model = f"No. {next(_NUMBERS)} of {os.getpid()}"
    return things.written(lambda tx: products.create(tx, brand="Acme", model=model, spec=type(held.spec)())).id


def _fit_product(operation: str, held: Product | None, body: dict[str, Any]) -> None:
    """What the words of a product must be to each other: sizes in order, and sources for figures that are there.

    And to the product that they are about: of the same kind.
    """
    if held is not None and operation == "mergeProduct":
        body["into"] = _another(held)
    if held is not None and operation == "replaceProduct" and body.get("spec", {}).get("kind") != held.kind:
        body["spec"] = {"kind": held.kind}
    for name in ("brand", "model"):
        if isinstance(body.get(name), str):
            body[name] = _named(body[name])
    if isinstance(body.get("aliases"), list):
        body["aliases"] = [_named(alias) for alias in body["aliases"]]
    if operation == "amendProduct":  # which figures there are depends on what is stored
        body |= {"spec": {"weight_g": 500}} if "spec" in body or "sources" in body else {}
        body |= {"sources": {"weight_g": {"text": "our scales"}}} if "sources" in body else {}
    elif isinstance(sheet := body.get("spec"), dict):
        for low, high in sheets.ASCENDING:
            if sheet.get(low) is not None and sheet.get(high) is not None:
                sheet[low], sheet[high] = sorted((sheet[low], sheet[high]))
        given = [name for name in sheet if name != "kind" and sheet[name] not in (None, [])]
        body["sources"] = {name: {"text": "our scales"} for name in given[: len(body.get("sources") or ())]}


def _place(case: Any) -> None:
    """Have a call be about something that is there: each of the examples, and of all others what no schema can say."""
    path, operation = case.path_parameters or {}, case.operation.definition.raw["operationId"]
    if case.meta.phase.name == "examples":
        case.path_parameters = things.placed(path)
        if "If-Match" in (case.headers or {}):
            case.headers["If-Match"] = "*"
        if operation == "createJob":
            things.job(cancelled=True)
    elif operation == "getPreview":
        path["preview_token"] = things.preview_token()


@schemathesis.hook
def before_call(context: Any, case: Any, **kwargs: Any) -> None:
    """Fit the values of a call that is meant to be accepted; one that is meant to be refused stays as it is.

    Whom the calls are made by is never who they are about: nobody shall shut themself out.
    """
    if (case.path_parameters or {}).get("editor_id") == os.environ[EDITOR]:
        case.path_parameters["editor_id"] = os.environ[ANOTHER]
    if "Idempotency-Key" in (case.headers or {}):
        # As clients do: another key for each request. One that is told again what was made, and has since been
        # deleted, is answered rightly; that is tested elsewhere.
        case.headers["Idempotency-Key"] = f"{case.headers['Idempotency-Key'][:200]}-{next(_NUMBERS)}"
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    if (case.headers or {}).get("If-Match") == "":  # what its pattern does not allow, though it is meant to be accepted
        del case.headers["If-Match"]
    _place(case)
    if not isinstance(case.body, dict):
        return
    case.body = _whole(case.body)
    if case.operation.definition.raw["operationId"] == "signIn":
        case.body = {"email": os.environ[EMAIL], "password": os.environ[PASSWORD]}
    if case.operation.path.startswith("/products"):
        held = _held(str((case.path_parameters or {}).get("product_id", "")))
        _fit_product(case.operation.definition.raw["operationId"], held, case.body)
    for field, fit in FITTING.items():
        if isinstance(case.body.get(field), str):
            case.body[field] = fit(case.body[field])


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Note what was answered to a call; one by another method is about what the address does not know."""
    if case.method.upper() == case.operation.method.upper():
        with Path(os.environ[ANSWERS]).open("a") as answers:
            answers.write(f"{case.operation.definition.raw['operationId']} {response.status_code}\n")
