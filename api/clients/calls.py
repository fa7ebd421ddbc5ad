"""The calls that a collection holds, whatever client reads it: every operation of the document, in an order that works.

A folder for each tag; in it what makes something comes before what needs it, and deleting last. The links of the
document say which values of an answer the calls after it need; a script keeps them in variables. All of it is made from
the document, so a new route is a new call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from api.links import PARAMETER, Node, operations

SETTINGS = {"base_url": "", "email": "", "password": ""}
"""Variables that the user fills in."""
TOKEN, REFRESH_TOKEN = "token", "refresh_token"
SIGN_IN = "signIn"
_BY_FIELD = {
    "refresh_token": "{refresh_token}", "token": "{refresh_token}", "current": "{password}", "new": "{password}",
    "publish_at": "{tomorrow}",
}  # fmt: skip
"""Fields of bodies for which an example cannot stand: what they say depends on who asks and when."""
_BY_OPERATION: dict[str, dict[str, object]] = {
    SIGN_IN: {"email": "{email}", "password": "{password}"},
    "createEditor": {"email": "ana-{run}@example.com"},
    "createProduct": {"model": "Alpha 7 V {run}", "aliases": []},
    "replaceProduct": {"model": "Alpha 7 V {run}", "aliases": []},
    "mergeProduct": {"into": "{reviewed_product_id}"},
}
_KEPT: dict[str, dict[str, str]] = {"createReview": {"reviewed_product_id": "$response.body#/product/id"}}
"""Variables that an answer gives besides those of its links."""
_FORGETTING = "signOut"
_LATER = "getPreview"
"""What needs an answer that comes late, though its own path is short."""
_ENDING = "mergeProduct"
"""What ends the product that the calls before it are about."""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A query parameter or header of a call; one that is `optional` is there to be switched on."""

    name: str
    value: str
    description: str = ""
    optional: bool = False


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call. `{name}` in path, values and body stands for a variable; `keeps` says which ones its answer gives."""

    id: str
    name: str
    description: str
    method: str
    path: str
    query: tuple[Field, ...]
    headers: tuple[Field, ...]
    body: Any
    media_type: str
    status: int
    secured: bool
    keeps: dict[str, str]
    forgets: tuple[str, ...]


class Folder(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of one tag."""

    name: str
    description: str
    calls: tuple[Call, ...]


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """How a client writes a variable, and what its scripts call the client and the place where variables are kept.

    `waiting` and `waited` stand around a request that a script makes, where the client does not wait for it by itself.
    """

    variable: str
    client: str
    kept: str
    waiting: str = ""
    waited: str = ""

    def filled(self, text: str) -> str:
        """`text` with each `{name}` as the client writes it."""
        return PARAMETER.sub(lambda match: self.variable.replace("name", match[1]), text)

    def body(self, call: Call) -> str:
        """The body of a call as text; only strings that are or hold a variable have braces of ours."""
        if isinstance(call.body, str):
            return call.body
        return json.dumps(_mapped(call.body, self.filled), ensure_ascii=False, indent=2)

    def before(self) -> list[str]:
        """The script before each call: variables that are made, and a token where there is none."""
        kept, read = self.kept, f"{self.client}.variables.get"
        return [
            f'if (!{kept}.get("run")) {kept}.set("run", Date.now().toString(36));',
            f'{kept}.set("tomorrow", new Date(Date.now() + 86400000).toISOString());',
            f'if (!{kept}.get("token") && {read}("password")) {{',
            "  const signIn = {",
            f'    url: {read}("base_url") + "/auth/token",',
            '    method: "POST",',
            '    header: { "Content-Type": "application/json" },',
            '    body: { mode: "raw", raw: JSON.stringify({',
            f'      email: {read}("email"), password: {read}("password"),',
            "    }) },",
            "  };",
            f"  {self.waiting}{self.client}.sendRequest(signIn, (error, answer) => {{",
            f'    if (!error && answer.code === 200) {kept}.set("token", answer.json().access_token);',
            f"    {self.waited}".rstrip(),
            "  })" + (");" if self.waiting else ";"),
            "}",
        ]

    def after(self, call: Call) -> list[str]:
        """The script after a call: the status that the document promises, and what later calls need."""
        lines = [
            f'{self.client}.test("answers {call.status}", () => {{',
            f"  {self.client}.expect({self.client}.response.code).to.equal({call.status});",
            "});",
        ]
        if call.keeps or call.forgets:
            lines.append(f"if ({self.client}.response.code === {call.status}) {{")
            lines += [f'  {self.kept}.set("{name}", {self._read(where)});' for name, where in call.keeps.items()]
            lines += [f'  {self.kept}.unset("{name}");' for name in call.forgets]
            lines.append("}")
        return lines

    def _read(self, expression: str) -> str:
        """A runtime expression of OpenAPI (`$response.body#/id`) in JavaScript."""
        if expression.startswith("$response.header."):
            return f'{self.client}.response.headers.get("{expression.removeprefix("$response.header.")}")'
        steps = expression.removeprefix("$response.body#/").split("/")
        return f"{self.client}.response.json()" + "".join(f"[{json.dumps(step)}]" for step in steps)


def folders(document: Mapping[str, Any]) -> list[Folder]:
    """Every operation of the document as a call, by tag."""
    by_tag: dict[str, list[tuple[Any, Call]]] = {tag["name"]: [] for tag in document["tags"]}
    for number, (method, path, operation) in enumerate(operations(document)):
        name = operation["operationId"]
        order = (method == "delete" or name == _ENDING, name == _LATER, path.count("/"), number)
        by_tag[operation["tags"][0]].append((order, _call(document, method, path, operation)))
    return [
        Folder(
            name=tag["name"],
            description=tag["description"],
            calls=tuple(call for _, call in sorted(by_tag[tag["name"]], key=lambda entry: entry[0])),
        )
        for tag in document["tags"]
    ]


_ENDED = {"Last-Event-ID": "end"}
"""What a call of an event stream sends, so that nobody waits for its end: the id of its last event."""


def _call(document: Mapping[str, Any], method: str, path: str, operation: Node) -> Call:
    ended = _is_stream(operation)
    status = 204 if ended else _status(operation)
    media_type, body = _body(operation)
    name: str = operation["operationId"]
    return Call(
        id=name,
        name=operation["summary"],
        description=operation["description"],
        method=method.upper(),
        path=_path(document, path, operation),
        query=tuple(_field(parameter) for parameter in _parameters(operation, "query")),
        headers=tuple(_headers(path, operation, media_type, _ENDED if ended else {})),
        body=body,
        media_type=media_type,
        status=status,
        secured=bool(operation["security"]),
        keeps=_kept(document, operation["responses"][str(status)]) | _KEPT.get(name, {}),
        forgets=(TOKEN, REFRESH_TOKEN) if name == _FORGETTING else (),
    )


_INSTEAD = ("304", "308")
"""What a route answers of something that the client has, or that is there no more: not what a call is made for."""


def _status(operation: Node) -> int:
    """The status of an answer when all is well; a redirect is what it is, not what it leads to."""
    well = [int(status) for status in operation["responses"] if int(status) < 400 and status not in _INSTEAD]
    return max(well) if any(status >= 300 for status in well) else min(well)


def _is_stream(operation: Node) -> bool:
    return any("text/event-stream" in response.get("content", {}) for response in operation["responses"].values())


def _parameters(operation: Node, place: str) -> Iterator[Node]:
    return (parameter for parameter in operation.get("parameters", ()) if parameter["in"] == place)


def _path(document: Mapping[str, Any], path: str, operation: Node) -> str:
    """The path; a part that no answer gives stands as its example."""
    given = {name for link in document["components"]["links"].values() for name in link["parameters"]}
    for parameter in _parameters(operation, "path"):
        if parameter["name"] not in given:
            path = path.replace("{" + parameter["name"] + "}", _example(parameter))
    return path


def _field(parameter: Node, value: str | None = None) -> Field:
    return Field(
        name=parameter["name"],
        value=_example(parameter) if value is None else value,
        description=parameter.get("description", ""),
        optional=value is None,
    )


def _example(parameter: Node) -> str:
    for example in parameter.get("examples", {}).values():
        return str(example["value"])
    schema = parameter["schema"]
    return str(schema.get("default", schema.get("enum", [""])[0])).lower()


def _headers(path: str, operation: Node, media_type: str, sent: Mapping[str, str]) -> Iterator[Field]:
    if media_type:
        yield Field(name="Content-Type", value=media_type)
    for parameter in _parameters(operation, "header"):
        about = PARAMETER.findall(path)
        conditional = parameter["name"] == "If-Match" and parameter["required"] and about
        value = "{" + _etag(about[0]) + "}" if conditional else sent.get(parameter["name"])
        yield _field(parameter, value)


def _etag(identity: str) -> str:
    """The variable that holds the entity tag of what this variable identifies."""
    return identity.removesuffix("_id") + "_etag"


def _body(operation: Node) -> tuple[str, Any]:
    """Media type and first example of the body, with variables where no example can stand; ("", None) without one."""
    for media_type, media in operation.get("requestBody", {}).get("content", {}).items():
        example = next(iter(media["examples"].values()))["value"]
        if isinstance(example, dict):
            fields = _BY_FIELD | _BY_OPERATION.get(operation["operationId"], {})
            example = {name: fields.get(name, value) for name, value in example.items()}
        return media_type, example
    return "", None


def _kept(document: Mapping[str, Any], response: Node) -> dict[str, str]:
    """Which variables an answer gives, and where it says their values."""
    kept = {}
    for reference in response.get("links", {}):
        parameters = document["components"]["links"][reference]["parameters"]
        identity = next(iter(parameters))
        for name, expression in parameters.items():
            kept[_etag(identity) if name == "If-Match" else name] = expression
    for media in response.get("content", {}).values():
        if media.get("schema", {}).get("$ref", "").endswith("/Grant"):
            kept |= {TOKEN: "$response.body#/access_token", REFRESH_TOKEN: "$response.body#/refresh_token"}
    return kept


def _mapped(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: _mapped(part, change) for name, part in value.items()}
    return [_mapped(part, change) for part in value] if isinstance(value, list | tuple) else value
