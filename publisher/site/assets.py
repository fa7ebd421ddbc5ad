"""Names of assets that carry their digest, also where one script imports another."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from publisher.errors import BuildError

_IMPORT = re.compile(rb'(?<=from ")\./([\w.-]+)(?=";)')


def hashed(files: Mapping[str, bytes]) -> dict[str, tuple[str, bytes]]:
    """Of every asset, by its plain name, the name that carries its digest, and its body with such names in imports.

    A script is only as old as what it imports, so its digest covers that too. Raises BuildError when a script imports
    what is not there, or itself by way of others.
    """
    done: dict[str, tuple[str, bytes]] = {}

    def visit(name: str, above: tuple[str, ...]) -> tuple[str, bytes]:
        if name in above or name not in files:
            raise BuildError(
                f"{' -> '.join((*above, name))}: an asset imports {'itself' if name in above else 'nothing'}"
            )
        if name not in done:

            def instead(match: re.Match[bytes]) -> bytes:
                return b"./" + visit(match[1].decode(), (*above, name))[0].encode()

            body = _IMPORT.sub(instead, files[name]) if name.endswith(".js") else files[name]
            stem, _, extension = name.rpartition(".")
            done[name] = f"{stem}.{hashlib.sha256(body).hexdigest()[:16]}.{extension}", body
        return done[name]

    for name in sorted(files):
        visit(name, ())
    return done
