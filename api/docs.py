"""The documentation page: the OpenAPI document written out as HTML, without a script and without another host.

Rendered once. Beside it, for download: the document as YAML, and collections for Postman and Insomnia.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from litestar import Request, Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.openapi.plugins import OpenAPIRenderPlugin

from api.clients.formats import FORMS
from api.document import document
from api.links import operations
from api.newsroom import address_of
from api.problems import CODES, MEANINGS, STATUS

STYLE = Path(__file__).with_name("docs.css")
POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_FILES = {form.file: form for name, form in FORMS.items() if name != "json"}
"""What is served as files beside the page; the framework serves the JSON itself."""
_CODE = re.compile(r"`([^`]+)`")

Node = Mapping[str, Any]


class Page(OpenAPIRenderPlugin):
    """Renders the OpenAPI document as a page to read."""

    def __init__(self) -> None:
        super().__init__(path="/")
        self._page: bytes | None = None

    def render(self, request: Any, openapi_schema: dict[str, Any]) -> bytes:
        """The page."""
        if self._page is None:
            self._page = page(document(request.app)).encode()
        return self._page


@get("/assets/docs.css", media_type="text/css", sync_to_thread=False, include_in_schema=False)
def style() -> Response[bytes]:
    """The style sheet of the page."""
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(_style(), media_type="text/css", headers=headers)


@get([f"/{file}" for file in _FILES], include_in_schema=False)
async def download(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The description of the service in another form, as a file."""
    form = _FILES[request.url.path.rpartition("/")[2]]
    body = form.make(request.app, address_of(request))
    headers = {"Content-Disposition": f'attachment; filename="{form.file}"'}
    return Response(body, media_type=form.media_type, headers=headers)


@cache
def _style() -> bytes:
    return STYLE.read_bytes()


def _only_pages(response: Any) -> Any:
    """What is not here is answered as it is anywhere else, not by a page of the framework."""
    if response.status_code == 404:
        raise NotFoundException
    return response


def router() -> Router:
    """The router at `/docs`, to which Litestar adds the page."""
    return Router(
        "/docs",
        route_handlers=[style, download],
        include_in_schema=False,
        response_headers={"Content-Security-Policy": POLICY},
        after_request=_only_pages,
    )


def page(document: Node) -> str:
    """The whole page for an OpenAPI document."""
    purposes = {tag["name"]: tag.get("description", "") for tag in document.get("tags", ())}
    groups: dict[str, list[tuple[str, str, Node]]] = {name: [] for name in purposes}
    for method, path, operation in operations(document):
        groups.setdefault(operation.get("tags", ["other"])[0], []).append((method, path, operation))
    title = escape(document["info"]["title"])
    schemas = document.get("components", {}).get("schemas", {})
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><link rel="stylesheet" href="/docs/assets/docs.css"></head>'
        f'<body><div class="page"><header><h1>{title}</h1>'
        f"<p>{_prose(document['info'].get('description', ''))}</p>"
        f'<p class="files">The same as files: {_files()}.</p></header>{_contents(groups)}<main>'
        + "".join(
            f"<h2>{escape(name)}</h2><p>{_prose(purposes.get(name, ''))}</p>"
            + "".join(_operation(*call) for call in calls)
            for name, calls in groups.items()
        )
        + "<h2>Bodies</h2>"
        + "".join(_schema(name, schema) for name, schema in sorted(schemas.items()))
        + _problems()
        + "</main></div></body></html>"
    )


def _files() -> str:
    names = {"json": "OpenAPI (JSON)", "yaml": "OpenAPI (YAML)", "postman": "Postman", "insomnia": "Insomnia"}
    return ", ".join(f'<a href="/docs/{form.file}" download>{names[name]}</a>' for name, form in FORMS.items())


def _contents(groups: Mapping[str, Iterable[tuple[str, str, Node]]]) -> str:
    parts = ['<nav aria-label="Contents">']
    for name, calls in groups.items():
        parts.append(f"<h2>{escape(name)}</h2><ul>")
        parts += [
            f'<li><a href="#{escape(operation["operationId"])}">{escape(operation["summary"])}</a></li>'
            for _, _, operation in calls
        ]
        parts.append("</ul>")
    parts.append('<h2>Also</h2><ul><li><a href="#problems">Problems</a></li></ul></nav>')
    return "".join(parts)


def _operation(method: str, path: str, operation: Node) -> str:
    parts = [
        f'<section id="{escape(operation["operationId"])}"><h3>{escape(operation["summary"])}</h3>',
        f'<p class="call"><span class="method">{method.upper()}</span> {escape(path)}</p>',
    ]
    if description := operation.get("description"):
        parts.append(f"<p>{_prose(description)}</p>")
    parts.append(
        '<p class="soft">Needs an access token.</p>' if operation.get("security") else '<p class="soft">Open.</p>'
    )
    if parameters := operation.get("parameters"):
        rows = (
            (parameter["name"], parameter["in"], parameter.get("schema", {}), parameter.get("description", ""))
            for parameter in parameters
        )
        parts.append(_table(("Parameter", "In", "Type", ""), rows))
    if body := operation.get("requestBody"):
        for media_type, media in body["content"].items():
            kind = _type(media["schema"]) if "schema" in media else f"<code>{escape(media_type)}</code>"
            parts.append(f"<h4>Body</h4><p>{kind} {_prose(body.get('description', ''))}</p>")
            conditional = any(
                parameter["name"] == "If-Match" and parameter["required"]
                for parameter in operation.get("parameters", ())
            )
            parts += [
                _example(method, path, media_type, example["value"], conditional)
                for example in media["examples"].values()
            ]
    parts.append("<h4>Answers</h4>" + _answers(operation["responses"]) + "</section>")
    return "".join(parts)


def _example(method: str, path: str, media_type: str, value: Any, conditional: bool) -> str:
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    token = "" if path.startswith("/auth/") else " -H 'Authorization: Bearer …'"
    match = " -H 'If-Match: \"3\"'" if conditional else ""
    call = f"curl -X {method.upper()} …{path}{token}{match} -H 'Content-Type: {media_type}' -d '{said}'"
    return f"<pre>{escape(call, quote=False)}</pre>"


def _answers(responses: Node) -> str:
    rows = []
    for status, response in sorted(responses.items()):
        media: Node = next(iter(response.get("content", {}).values()), {})
        kind = _type(media["schema"]) if "schema" in media else ""
        rows.append(f"<tr><td>{status}</td><td>{_prose(response.get('description', ''))}</td><td>{kind}</td></tr>")
    return f'<div class="wide"><table><tbody>{"".join(rows)}</tbody></table></div>'


def _schema(name: str, schema: Node) -> str:
    required = set(schema.get("required", ()))
    rows = (
        (field, "required" if field in required else "", kind, kind.get("description", ""))
        for field, kind in schema.get("properties", {}).items()
    )
    if "properties" not in schema:
        body = f"<p>{_type({**schema, '$ref': ''})}</p>"
    else:
        body = _table(("Field", "", "Type", ""), rows)
    description = schema.get("description", "")
    return f'<section id="schema-{escape(name)}"><h3>{escape(name)}</h3><p>{_prose(description)}</p>{body}</section>'


def _table(heads: Iterable[str], rows: Iterable[tuple[str, str, Node, str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(note)}</td><td>{_type(kind)}</td><td>{_prose(words)}</td></tr>"
        for name, note, kind, words in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _name(schema: Node) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _type(schema: Node) -> str:
    """A type in words, as HTML."""
    if name := _name(schema):
        return f'<a href="#schema-{escape(name)}">{escape(name)}</a>'
    for choice in ("oneOf", "anyOf", "allOf"):
        if choice in schema:
            return " or ".join(dict.fromkeys(_type(part) for part in schema[choice]))
    if "enum" in schema:
        return "one of " + ", ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    kind = schema.get("type", "anything")
    words = "list of " + _type(schema.get("items", {})) if kind == "array" else escape(_plain(kind))
    return words + _bounds(schema)


def _plain(kind: Any) -> str:
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _bounds(schema: Node) -> str:
    said = [
        text.format(_plain_number(schema[key]))
        for key, text in (
            ("minimum", "from {}"), ("maximum", "to {}"), ("multipleOf", "in steps of {}"),
            ("minLength", "at least {} characters"), ("maxLength", "at most {} characters"),
            ("maxItems", "at most {} of them"), ("format", "{}"), ("default", "otherwise {}"),
        )
        if schema.get(key) not in (None, "", [], ())
    ]  # fmt: skip
    return f' <span class="soft">({escape(", ".join(said))})</span>' if said else ""


def _plain_number(value: Any) -> Any:
    """A whole number as one: the framework says bounds of integers as 1.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _problems() -> str:
    status = STATUS | {code: number for number, code in CODES.items() if code not in STATUS}
    entries = "".join(
        f'<dt id="{code}"><code>{code}</code> <span class="soft">{status.get(code, 500)}</span></dt>'
        f"<dd>{_prose(meaning)}</dd>"
        for code, meaning in MEANINGS.items()
    )
    return (
        '<section id="problems"><h2>Problems</h2><p>Every error is a problem document (RFC 9457): '
        f'<a href="#schema-Problem">Problem</a>. Its <code>code</code> never changes its meaning:</p>'
        f"<dl>{entries}</dl></section>"
    )


def _prose(text: str) -> str:
    """Words with `code` in them, as HTML."""
    return _CODE.sub(r"<code>\1</code>", escape(text, quote=False))
