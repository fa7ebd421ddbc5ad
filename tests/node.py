"""Programs of npm that tests run; `make test` installs them from their lock files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent / "clients" / "node_modules"
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1", "FORCE_COLOR": "0"}


def run(program: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program of `tests/clients`; it asks nothing of another host."""
    path = FOLDER / ".bin" / program
    assert path.exists(), f"{program} is missing: `make test` installs it (npm --prefix tests/clients ci)"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("npm_")}
    return subprocess.run(
        [str(path), *arguments],
        cwd=cwd,
        env=environ | QUIET,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def script(name: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a script of `tests/clients` in Node."""
    return subprocess.run(
        ["node", "--disable-warning=ExperimentalWarning", str(FOLDER.parent / name), *arguments],
        env=dict(os.environ) | environ,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
