"""The variables by which a test tells `tests.fuzzing.hooks` what it needs to know."""

from __future__ import annotations

DATA_DIR, ISSUER, PASSWORD, PRODUCT = "FUZZ_DATA_DIR", "FUZZ_ISSUER", "FUZZ_PASSWORD", "FUZZ_PRODUCT"
"""Where the data is, what signs tokens, the administrator's password, a product's id."""
ANSWERS = "FUZZ_ANSWERS"
"""The file that gets a line for each answer: operation, a space, status."""
EDITOR, EMAIL, ANOTHER = "FUZZ_EDITOR", "FUZZ_EMAIL", "FUZZ_ANOTHER"
"""The administrator who makes the calls: id and e-mail address. The id of an account that calls may do anything to."""
