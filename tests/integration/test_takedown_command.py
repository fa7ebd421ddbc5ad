"""A takedown by the command, on the real store, asked for through the real edge, with a certificate that verifies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import jwt
import pytest
from msgspec.structs import replace

from publisher import keys
from publisher.settings import Data, Settings
from publisher.worker import now
from tests.integration.test_cli import Shell
from tests.integration.test_rollback import write
from tests.servers import start_store

SECRET = "secretisimo"


@pytest.fixture(scope="module")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A store of its own: where others publish too, an address that is gone here may still be theirs."""
    with start_store(tmp_path_factory.mktemp("store")) as own:
        yield own


@pytest.fixture
def shell(object_store: Settings, tmp_path: Path) -> Shell:
    """A command line that publishes to the bucket behind the edge."""
    edge = f"http://127.0.0.1:{object_store.stack.edge_port}"
    chosen = Shell(
        Settings(site=object_store.site, s3=replace(object_store.s3, probe_url=edge), data=Data()), tmp_path
    )  # fmt: skip
    account = ("ana@example.com", "--name", "Ana", "--role", "administrator", "--password", "una clave larga")
    chosen("editor", "add", *account)
    return chosen


def test_a_review_is_taken_down_and_certified(shell: Shell, object_store: Settings) -> None:
    edge = f"http://127.0.0.1:{object_store.stack.edge_port}"
    write(shell, queda="Esta queda.", **{SECRET: f"Texto {SECRET}."})
    shell("publish")
    write(shell, **{SECRET: f"Otro texto {SECRET}."})
    shell("publish")
    shell("export", "data/export")
    assert httpx.get(f"{edge}/reviews/{SECRET}/", timeout=60).status_code == 200
    dry = shell("takedown", SECRET, "--reason", "prueba", "--dry-run")
    assert "2 versions" in dry
    assert httpx.get(f"{edge}/reviews/{SECRET}/", timeout=60).status_code == 200, "a dry run does nothing"
    assert "say why" in shell("takedown", SECRET, "--reason", " ", answer=1)
    assert "no review has" in shell("takedown", "nothing", "--reason", "prueba", answer=1)

    certificate = json.loads(shell("takedown", f"{edge}/reviews/{SECRET}/", "--reason", "prueba", "--json"))
    assert certificate["is_complete"]
    (place,) = certificate["targets"]
    assert f"/reviews/{SECRET}/" in place["pages"]
    assert "/" in place["rewritten"]
    assert place["objects"]
    assert (place["unseen"], place["checked"]) == ([], len(place["pages"] + place["rewritten"] + place["objects"]))
    for key in place["objects"]:
        assert httpx.get(f"{edge}/{key}", timeout=60).status_code == 404
    assert httpx.get(f"{edge}/reviews/{SECRET}/", timeout=60).status_code == 404
    assert "backups" in certificate["backups"]
    said = shell("audit", "verify")
    assert "2 versions of reviews were redacted by takedown" in said
    assert "as they were written" in said
    shell("bundle", "verify", edge)

    folder = shell.folder / "data"
    left = [path for path in folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert {path.parent.name for path in left} <= {"takedowns"}, "only the certificate names the address"
    signed = (folder / "takedowns" / f"{certificate['review']}.jws").read_text()
    ring = keys.load(folder / "keys", now())
    header = jwt.get_unverified_header(signed)
    assert header["typ"] == "takedown+jws"
    payload = jwt.PyJWS(algorithms=["EdDSA"]).decode(signed, ring.verifying[header["kid"]], algorithms=["EdDSA"])
    assert json.loads(payload) == json.loads((folder / "takedowns" / f"{certificate['review']}.json").read_bytes())

    written = folder / "takedowns" / f"{certificate['review']}.json"
    before = written.read_bytes()
    written.write_bytes(before[:-9])
    assert "nothing was done" in shell("takedown", certificate["review"], "--reason", "prueba", answer=1)
    written.write_bytes(before)
    again = json.loads(shell("takedown", certificate["review"], "--reason", "prueba", "--json"))
    assert again == json.loads(written.read_bytes()), "what is printed is what is signed"
    assert again["targets"][0]["objects"] == place["objects"], "of both runs"

    for path in shell.folder.glob("*.md"):
        shell("import", path.name)
    shell("publish")
    assert httpx.get(f"{edge}/reviews/{SECRET}/", timeout=60).status_code == 404, "its file does not bring it back"


def test_help_explains(shell: Shell) -> None:
    assert "cannot be undone" in shell("takedown", "--help")
