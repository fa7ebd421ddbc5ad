"""The collections for API clients: every operation is a call, the same bytes come out, each client's format is kept."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from api import document
from api.app import create_app
from api.clients import calls, insomnia, postman
from api.clients.formats import FORMS
from api.links import PARAMETER, operations
from publisher import cli_openapi
from publisher.settings import Data, Settings

BASE = "http://127.0.0.1:8000"
VARIABLE = r"\{\{\s*(?:_\.)?(\w+)\s*\}\}"


@pytest.fixture(scope="module")
def openapi(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The document of the application."""
    return document.document(create_app(Settings(data=Data(dir=str(tmp_path_factory.mktemp("unused"))))))


def _calls(openapi: dict[str, Any]) -> list[calls.Call]:
    return [call for folder in calls.folders(openapi) for call in folder.calls]


def test_every_operation_is_one_call(openapi: dict[str, Any]) -> None:
    made = _calls(openapi)
    assert sorted(call.id for call in made) == sorted(
        operation["operationId"] for _, _, operation in operations(openapi)
    )
    assert [folder.name for folder in calls.folders(openapi)] == [tag["name"] for tag in openapi["tags"]]


def test_what_a_call_needs_is_given_by_a_call_before_it(openapi: dict[str, Any]) -> None:
    known = {*calls.SETTINGS, "run", "tomorrow", "token"}
    for call in _calls(openapi):
        needed = {match[1] for match in PARAMETER.finditer(call.path)}
        needed |= {name for field in call.headers for name in PARAMETER.findall(field.value)}
        assert needed <= known, (call.id, needed - known)
        known |= set(call.keeps)


def test_deleting_comes_last_in_its_folder(openapi: dict[str, Any]) -> None:
    for folder in calls.folders(openapi):
        methods = [call.method == "DELETE" for call in folder.calls]
        assert methods == sorted(methods), folder.name


def test_nobody_waits_for_the_end_of_a_stream(openapi: dict[str, Any]) -> None:
    streams = [call for call in _calls(openapi) if call.path.endswith("/events")]
    assert streams
    for call in streams:
        (asked,) = [field for field in call.headers if field.name == "Last-Event-ID"]
        assert (asked.value, asked.optional, call.status) == ("end", False, 204)


def test_signing_in_stores_the_token(openapi: dict[str, Any]) -> None:
    (sign_in,) = [call for call in _calls(openapi) if call.id == "signIn"]
    assert sign_in.keeps["token"] == "$response.body#/access_token"
    script = "\n".join(postman.DIALECT.after(sign_in))
    assert 'pm.collectionVariables.set("token", pm.response.json()["access_token"]);' in script


def test_both_clients_get_the_same_calls(openapi: dict[str, Any]) -> None:
    for_postman = msgspec.json.decode(postman.collection(openapi, BASE))
    for_insomnia = msgspec.yaml.decode(insomnia.collection(openapi, BASE))
    one = [
        (item["name"], item["request"]["method"], re.sub(VARIABLE, r"{{ _.\1 }}", item["request"]["url"]["raw"]))
        for folder in for_postman["item"]
        for item in folder["item"]
    ]
    other = [
        (item["name"], item["method"], item["url"])
        for folder in for_insomnia["collection"]
        for item in folder["children"]
    ]
    assert one == other


# What Insomnia's own parser takes (its schemas, strict: no field that it does not know).
class _Strict(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A part of the file; a field that the parser does not know is an error."""


class _About(_Strict):
    id: Annotated[str, Meta(pattern=r"^(wrk|fld|req|env)_[0-9a-f]{32}$")]
    sort_key: int = 0
    description: str = ""


class _Pair(_Strict):
    name: str
    value: str
    description: str = ""
    disabled: bool = False


class _Scripts(_Strict):
    pre_request: str = ""
    after_response: str = ""


class _Bearer(_Strict):
    type: Literal["bearer", "none"] = "none"
    token: str = ""


class _Cookies(_Strict):
    send: bool
    store: bool


class _Switches(_Strict):
    render_request_body: bool
    encode_url: bool
    follow_redirects: Literal["global", "on", "off"]
    cookies: _Cookies
    rebuild_path: bool


class _Body(_Strict):
    mime_type: str
    text: str


class _Request(_Strict):
    url: str
    name: str
    meta: _About
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    settings: _Switches
    scripts: _Scripts
    authentication: _Bearer
    headers: list[_Pair]
    parameters: list[_Pair]
    body: _Body | None = None


class _Folder(_Strict):
    name: str
    meta: _About
    children: list[_Request]
    scripts: _Scripts
    authentication: _Bearer


class _Environment(_Strict):
    name: str
    meta: _About
    data: dict[str, str]


class _File(_Strict):
    type: Literal["collection.insomnia.rest/5.0"]
    schema_version: Literal["5.1"] = msgspec.field(name="schema_version")
    name: str
    meta: _About
    collection: list[_Folder]
    environments: _Environment


def test_insomnia_s_format_is_kept(openapi: dict[str, Any]) -> None:
    made = msgspec.yaml.decode(insomnia.collection(openapi, BASE), type=_File)
    ids = [made.meta.id, made.environments.meta.id]
    for folder in made.collection:
        ids += [folder.meta.id, *(request.meta.id for request in folder.children)]
    assert len(ids) == len(set(ids))
    with pytest.raises(msgspec.ValidationError):
        msgspec.yaml.decode(insomnia.collection(openapi, BASE).replace(b"sortKey", b"sort_key"), type=_File)


def test_every_variable_of_insomnia_is_there(openapi: dict[str, Any]) -> None:
    said = insomnia.collection(openapi, BASE)
    made = msgspec.yaml.decode(said, type=_File)
    named = set(re.findall(VARIABLE, said.decode()))
    assert named <= set(made.environments.data)
    assert made.environments.data["base_url"] == BASE


def test_the_command_knows_the_forms_that_there_are() -> None:
    assert set(cli_openapi.FORMATS) == set(FORMS)


@pytest.mark.parametrize("form", cli_openapi.FORMATS)
def test_the_same_bytes_come_out_each_time(form: str, tmp_path: Path) -> None:
    made = []
    for seed in ("0", "1"):
        environ = {**os.environ, "PYTHONHASHSEED": seed, "DATA_DIR": str(tmp_path / "data")}
        output = tmp_path / f"{form}.{seed}"
        command = [sys.executable, "-m", "publisher", "openapi", "--format", form, "--output", str(output)]
        subprocess.run(command, check=True, env=environ)
        made.append(output.read_bytes())
    assert made[0] == made[1]
    assert len(made[0]) > 10_000
    assert not (tmp_path / "data").exists()
