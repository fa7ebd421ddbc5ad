"""Models for Kotlin and Swift are made from the schemas, with every member; the schemas say what is written."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from publisher.site import sync_wire
from tests import models, vectors


def test_every_member_has_its_place_in_both_languages(tmp_path: Path) -> None:
    models.write(tmp_path)
    kotlin, swift = ((tmp_path / name).read_text(encoding="utf-8") for name in models.LANGUAGES)
    for struct in (sync_wire.ReviewRecord, sync_wire.EditorRecord, sync_wire.Gone, sync_wire.Head):
        name = struct.__name__
        in_kotlin = re.search(rf"data class {name} \((.*?)^\)", kotlin, re.DOTALL | re.MULTILINE)
        in_swift = re.search(rf"struct {name}: Codable {{(.*?)enum CodingKeys.*?{{(.*?)}}", swift, re.DOTALL)
        assert in_kotlin is not None
        assert in_swift is not None
        for member in struct.__struct_fields__:
            camel = re.sub(r"_(\w)", lambda match: match[1].upper(), member)
            assert f"val {camel}:" in in_kotlin[1] or f'SerialName("{member}")' in in_kotlin[1], member
            assert f'= "{member}"' in in_swift[2], member


def missing(value: Any, schema: Any, definitions: dict[str, Any]) -> list[str]:
    """Members that the schema requires and the value lacks, and members that the schema does not know."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return min((missing(value, one, definitions) for one in schema["anyOf"]), key=len)
    if isinstance(value, list):
        return [found for one in value for found in missing(one, schema.get("items", {}), definitions)]
    if not isinstance(value, dict) or "properties" not in schema:
        return []
    found = [name for name in schema.get("required", ()) if name not in value]
    for name, inner in value.items():
        known = schema["properties"].get(name)
        found += [f"{name}?"] if known is None else missing(inner, known, definitions)
    return found


def test_what_was_published_is_what_the_schemas_say() -> None:
    heads = [path.read_bytes().split(b".")[1] for path in (vectors.FOLDER / "heads").glob("*.jws")]
    bodies = [("head", json.loads(base64.urlsafe_b64decode(payload + b"=="))) for payload in heads]
    for path in (vectors.FOLDER / "site").rglob("*.json"):
        said = json.loads(path.read_bytes())
        bodies.append(
            (next(name for name in ("parts", "segments", "bundle") if name in said or name == "bundle"), said)
        )
    assert {name for name, _ in bodies} == set(sync_wire.DESCRIBED)
    for name, said in bodies:
        schema = sync_wire.schema(name)
        assert missing(said, schema, schema["$defs"]) == [], name
    schema = sync_wire.schema("bundle")
    planted = next(dict(said) for name, said in bodies if name == "bundle")
    del planted["gone"]
    assert missing(planted | {"later": 1}, schema, schema["$defs"]) == ["gone", "later?"]
