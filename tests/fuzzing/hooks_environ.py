"""The variables by which a test tells `tests.fuzzing.hooks` what it needs to know."""

from __future__ import annotations

DATA_DIR, ISSUER, PASSWORD, PRODUCTS = "FUZZ_DATA_DIR", "FUZZ_ISSUER", "FUZZ_PASSWORD", "FUZZ_PRODUCTS"
"""Where the data is, what signs tokens, the administrator's password; the ids of two cameras and two lenses."""
EDITOR, ANOTHER = "FUZZ_EDITOR", "FUZZ_ANOTHER"
"""The ids of the administrator who makes the calls, and of an account that calls may do anything to."""
