"""`make fuzz`: a long run with a new seed; every argument is Schemathesis' own."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.fuzzing import tries
from tests.integration.api_fixtures import running_server

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        report, said = tries.run(server, Path(folder), *(sys.argv[1:] or ("--max-time", "900")))
        sys.stdout.write(said)
        alive = server.is_alive()
    sys.exit(bool(report.failures or report.errors or not alive))
