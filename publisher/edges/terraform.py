"""The words of the edges' rules for Terraform: a file of locals that stands beside each `main.tf` in `deploy/`.

What a provider's own edge can say is written by hand in its `main.tf`, in the provider's language; headers, times and
lists are taken from here, so that no edge says other words than the rest.
"""

from __future__ import annotations

import json

from publisher.edges import (
    ALWAYS,
    DOCUMENT,
    METHODS,
    MISSING_FOR,
    MOVED_FOR,
    OF_THE_STORE,
    PREFLIGHT,
    READ_BY_OTHERS,
)


def words() -> str:
    """`words.tf.json`: what every edge says, as Terraform's `local.always`, `local.document` and so on."""
    said = {
        "always": ALWAYS,
        "document": DOCUMENT,
        "read_by_others": READ_BY_OTHERS,
        "preflight": PREFLIGHT,
        "methods": METHODS.split(", "),
        "of_the_store": OF_THE_STORE,
        "missing_for": MISSING_FOR,
        "moved_for": MOVED_FOR,
    }
    return json.dumps({"//": "Made by `make docs`; change publisher/edges instead.", "locals": said}, indent=2) + "\n"
