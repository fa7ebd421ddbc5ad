"""The variables by which a test tells `tests.fuzzing.hooks` what it needs to know."""

from __future__ import annotations

DATA_DIR, ISSUER, PASSWORD, PRODUCT = "FUZZ_DATA_DIR", "FUZZ_ISSUER", "FUZZ_PASSWORD", "FUZZ_PRODUCT"
"""Where the data is, what signs tokens, the administrator's password, a product's id."""
EDITOR, ANOTHER = "FUZZ_EDITOR", "FUZZ_ANOTHER"
"""The ids of the administrator who makes the calls, and of an account that calls may do anything to."""
