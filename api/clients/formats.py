"""The forms in which the service describes itself, by the name that `publisher openapi --format` and addresses use."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from litestar import Litestar

from api import document
from api.clients import insomnia, postman


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """One form: what it is called as a file, its media type, and how it is made for a service at a base URL."""

    file: str
    media_type: str
    make: Callable[[Litestar, str], bytes]


FORMS: Mapping[str, Form] = {
    "json": Form(file="openapi.json", media_type="application/json", make=lambda app, _: document.encoded(app)),
    "yaml": Form(file="openapi.yaml", media_type="application/yaml", make=lambda app, _: document.as_yaml(app)),
    "postman": Form(
        file="postman.json",
        media_type="application/json",
        make=lambda app, base_url: postman.collection(document.document(app), base_url),
    ),
    "insomnia": Form(
        file="insomnia.yaml",
        media_type="application/yaml",
        make=lambda app, base_url: insomnia.collection(document.document(app), base_url),
    ),
}
