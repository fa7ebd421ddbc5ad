"""The clients as packages: what is in them, their types, and that they need next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

from tests import node, vectors

CLIENTS = vectors.FOLDER.parent
JAVASCRIPT = CLIENTS / "javascript"


def test_the_python_wheel_is_small_and_needs_cryptography_only(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)]
    run = subprocess.run([*command, str(CLIENTS / "python")], capture_output=True, text=True, timeout=240, check=False)
    assert run.returncode == 0, run.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = {Path(name).name for name in packed.namelist() if name.startswith("randomcamerareviews/")}
        metadata = packed.read(next(name for name in packed.namelist() if name.endswith("METADATA"))).decode()
    modules = {"__init__.py", "client.py", "errors.py", "fetching.py", "protocol.py", "store.py", "py.typed"}
    assert names == modules
    assert [line for line in metadata.splitlines() if line.startswith("Requires-Dist")] == [
        "Requires-Dist: cryptography>=42"
    ]
    assert wheel.stat().st_size < 40_000


def test_the_types_are_those_of_the_code(tmp_path: Path) -> None:
    run = node.run("tsc", "--project", str(JAVASCRIPT), "--outDir", str(tmp_path))
    assert run.returncode == 0, run.stdout
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.d.ts")}
    held = {path.name: path.read_text(encoding="utf-8") for path in (JAVASCRIPT / "types").glob("*.d.ts")}
    assert held == made, "run `npx tsc --project clients/javascript`"
    assert set(made) == {"content.d.ts", "stores.d.ts"}


def test_a_wrong_use_is_found_by_the_types(tmp_path: Path) -> None:
    where = (JAVASCRIPT / "src/content.js").as_posix()
    uses = {
        f'import {{ Client }} from "{where}";\nnew Client("https://a.example");\n': "Expected 2-3 arguments",
        f'import {{ Client }} from "{where}";\n/** @param {{Client}} one */\n'
        "export const name = async (one) => (await one.review('x')).title;\n": "possibly 'null'",
    }
    for number, (source, complaint) in enumerate(uses.items()):
        path = tmp_path / f"{number}.mjs"
        path.write_text(source, encoding="utf-8")
        flags = ["--checkJs", "--strict", "--noEmit", "--module", "nodenext", "--target", "es2022"]
        run = node.run("tsc", *flags, "--lib", "es2023,dom,dom.iterable", str(path))
        assert complaint in run.stdout, run.stdout


def test_the_npm_package_holds_code_and_types() -> None:
    run = subprocess.run(
        ["npm", "pack", "--dry-run", "--json"], cwd=JAVASCRIPT, capture_output=True, text=True, timeout=240, check=False
    )
    assert run.returncode == 0, run.stderr
    (told,) = json.loads(run.stdout)
    assert {one["path"] for one in told["files"]} == {
        "README.md", "package.json", "src/content.js", "src/stores.js", "types/content.d.ts", "types/stores.d.ts",
    }  # fmt: skip
    assert told["size"] < 20_000


def test_the_npm_package_is_imported_by_its_name() -> None:
    script = (
        'import { Client } from "@randomcamerareviews/content";'
        'import { MemoryStore } from "@randomcamerareviews/content/stores";'
        'console.log(await new Client("https://a.example", new MemoryStore()).version());'
    )
    run = subprocess.run(
        ["node", "--input-type=module", "--eval", script], cwd=JAVASCRIPT, capture_output=True, text=True, timeout=240,
        check=False,
    )  # fmt: skip
    assert (run.returncode, run.stdout.strip()) == (0, "0"), run.stderr
