"""What a product may be called and what its spec sheet may say: put into form, then held to the rules."""

from __future__ import annotations

import msgspec

from publisher.content import names
from publisher.content.model import Product, Slug, figures
from publisher.errors import InvalidError

MAX_NAME = 150
MAX_ALIASES = 60
ASCENDING = (("iso_min", "iso_max"), ("focal_min_mm", "focal_max_mm"))
"""Figures of which the second is never the smaller one."""


def tidy(product: Product) -> Product:
    """The product with its names on one line each, no alias said twice, and sources in the order of the figures."""
    brand, model = names.one_line(product.brand), names.one_line(product.model)
    aliases = dict.fromkeys(alias for alias in map(names.one_line, product.aliases) if alias != model)
    order = {name: place for place, name in enumerate(figures(product.spec))}
    sources = sorted(product.sources.items(), key=lambda item: order.get(item[0], len(order)))
    return msgspec.structs.replace(
        product, brand=brand, brand_slug=Slug(names.slugify(brand)), model=model, aliases=tuple(aliases),
        sources=dict(sources),
    )  # fmt: skip


def require(product: Product) -> None:
    """Raise InvalidError, naming the field, for what a product cannot be."""
    _require_name("$.brand", product.brand)
    _require_name("$.model", product.model)
    if len(product.aliases) > MAX_ALIASES:
        raise InvalidError("$.aliases", f"more than {MAX_ALIASES}")
    for number, alias in enumerate(product.aliases):
        _require_name(f"$.aliases[{number}]", alias)
    _require_order(product)
    _require_sources(product)


def _require_name(field: str, name: str) -> None:
    if not names.normal(name):
        raise InvalidError(field, "needs at least one letter or digit")
    if len(name) > MAX_NAME:
        raise InvalidError(field, f"longer than {MAX_NAME} characters")


def _require_order(product: Product) -> None:
    sheet = figures(product.spec)
    for low, high in ASCENDING:
        least, most = sheet.get(low), sheet.get(high)
        if least is not None and most is not None and most < least:
            raise InvalidError(f"$.spec.{high}", f"smaller than {low}")


def _require_sources(product: Product) -> None:
    sheet = figures(product.spec)
    for name, source in product.sources.items():
        if sheet.get(name) in (None, ()):
            raise InvalidError(f"$.sources.{name}", "the spec sheet has no such figure")
        if source.origin == "editor" and not source.text and source.url is None:
            raise InvalidError(f"$.sources.{name}", "needs text or url")
