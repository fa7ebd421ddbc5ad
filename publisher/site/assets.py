"""Assets as they are sent: under names that carry their digest, also in imports, and without comments."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from publisher.errors import BuildError

_COMMENT = re.compile(rb"^[ \t]*(?://[^\n]*|/\*(?:(?!\*/).)*\*/)[ \t]*\n", re.MULTILINE | re.DOTALL)
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

            body = uncommented(files[name]) if name.endswith((".js", ".css")) else files[name]
            body = _IMPORT.sub(instead, body) if name.endswith(".js") else body
            stem, _, extension = name.rpartition(".")
            done[name] = f"{stem}.{hashlib.sha256(body).hexdigest()[:16]}.{extension}", body
        return done[name]

    for name in sorted(files):
        visit(name, ())
    return done


def uncommented(body: bytes) -> bytes:
    """A script or stylesheet without the comments that have lines to themselves: some 15 % of what is sent.

    No text within backticks may have a line that looks like a comment.
    """
    return _COMMENT.sub(b"", body)
