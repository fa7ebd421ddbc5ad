"""Rules for text as patterns for the OpenAPI document, where the service checks them by other means.

They are written so that JavaScript, Python and Rust read them alike.
"""

from __future__ import annotations

from msgspec import Meta

_BARRED = r"\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff"
# What Python takes for white space and is not barred; `\s` means something else to each of them.
_WHITE = r"\t\n\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
TEXT = f"^[^{_BARRED}]*$"
"""Whatever a feed can carry: no control characters but tab and line ends (`api.body`)."""
UUID7 = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
NUMBER = "^[0-9]{1,18}$"
ENTITY_TAGS = r'^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$'
KEY = "^[!-~]{1,255}$"


def said(pattern: str) -> Meta:
    """What puts a pattern into the document, and leaves the check where it is."""
    return Meta(extra_json_schema={"pattern": pattern})


NOT_BLANK = said(rf"^[^{_BARRED}]*[^{_WHITE}{_BARRED}][^{_BARRED}]*$")
URL = said("^[Hh][Tt][Tt][Pp][Ss]?://[!-~]+$")
SLUG = said("^[a-z0-9]+(-[a-z0-9]+)*$")
IDENTITY = said(UUID7)
_OF_EMAIL = rf"[^@\x00-\x1f\x7f-\x9f{_WHITE}\ufffe\uffff]"
EMAIL = said(f"^{_OF_EMAIL}{{1,64}}@{_OF_EMAIL}{{1,190}}$")
