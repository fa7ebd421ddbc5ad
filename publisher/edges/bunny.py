"""Bunny's edge: a script between its cache and the store, which says the rules of the other edges in its language.

The cache itself follows the headers that the script lets through; the pull zone that runs it is in `deploy/bunny/`.
Source: https://docs.bunny.net/scripting/middleware/overview.
"""

from __future__ import annotations

import json
from importlib import resources

from publisher.edges import (
    ALWAYS,
    CROOKED,
    DOCUMENT,
    METHODS,
    MISSING_FOR,
    MOVED_FOR,
    OF_THE_STORE,
    PREFLIGHT,
    READ_BY_OTHERS,
    filled,
    of_path,
)

SDK = "0.11.2"
"""The version of Bunny's own library that the script names, which the tests run it with."""


def script() -> str:
    """The middleware script of the pull zone, in JavaScript."""
    template = resources.files("publisher.edges").joinpath("bunny.js").read_text(encoding="utf-8")
    words = {
        "SDK": SDK,
        "CROOKED": of_path(CROOKED),
        "ALWAYS": json.dumps(ALWAYS),
        "DOCUMENT": json.dumps(DOCUMENT),
        "READ_BY_OTHERS": json.dumps(READ_BY_OTHERS),
        "PREFLIGHT": json.dumps(PREFLIGHT),
        "OF_THE_STORE": json.dumps(OF_THE_STORE),
        "METHODS": METHODS,
        "MOVED_FOR": MOVED_FOR,
        "MISSING_FOR": MISSING_FOR,
    }
    return filled(template, words)
