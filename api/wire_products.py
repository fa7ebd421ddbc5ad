"""What goes over the wire when editors write products: bodies that come in, merges, and the history of one.

A spec sheet says itself whether it is a camera's or a lens's (`"kind"`); its figures have their units in their names.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.body import mismatch
from api.wire import Addresses, Identity, ProductAnswer
from api.wire_history import FieldChange
from publisher.content.history import Kept
from publisher.content.model import CameraSpec, LensSpec, Product, Source, Spec, figures
from publisher.content.products import still_sourced
from publisher.content.revisions import Changed
from publisher.content.sheets import MAX_ALIASES, MAX_NAME
from publisher.errors import InvalidError

Brand = Annotated[str, Meta(min_length=1, max_length=MAX_NAME, description="As its maker writes it.")]
Model = Annotated[str, Meta(min_length=1, max_length=MAX_NAME, description="As it is sold, without the brand.")]
Alias = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Aliases = Annotated[
    tuple[Alias, ...],
    Meta(max_length=MAX_ALIASES, description="Other names: codes, names in other regions. Not other spellings."),
]
Sources = Annotated[dict[str, Source], Meta(description="Where figures are from, by the figure's name.")]
Figure = str | bool | int | float | tuple[str, ...]
Figures = Annotated[
    dict[str, Figure | None],
    Meta(description="Figures of the spec sheet by name; null takes one off. One that changes loses its source."),
]
SomeSources = Annotated[dict[str, Source | None], Meta(description="Sources by the figure's name; null takes one off.")]


class WholeProduct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is said of a product; what is left out takes its default."""

    brand: Brand
    model: Model
    aliases: Aliases = ()
    spec: Spec
    sources: Sources = {}

    def over(self, held: Product) -> Product:
        """`held` as it would be said anew."""
        return msgspec.structs.replace(
            held, brand=self.brand, model=self.model, aliases=self.aliases, spec=self.spec, sources=self.sources
        )


class NewProduct(WholeProduct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product to be added; the client may choose its id (UUIDv7) to make a repeated request harmless.

    The id may be of any time until a day from now.
    """

    id: Identity | None = None


class PartOfProduct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON Merge Patch (RFC 7396), also of the spec sheet and the sources: what is left out stays, null goes."""

    brand: Brand | UnsetType = UNSET
    model: Model | UnsetType = UNSET
    aliases: Aliases | UnsetType | None = UNSET
    spec: Figures | UnsetType = UNSET
    sources: SomeSources | UnsetType | None = UNSET

    def over(self, held: Product) -> Product:
        """`held` with this patch on top; InvalidError names a figure that there is not, or cannot be so."""
        spec = held.spec if self.spec is UNSET else _patched(held.spec, self.spec)
        return msgspec.structs.replace(
            held,
            brand=held.brand if self.brand is UNSET else self.brand,
            model=held.model if self.model is UNSET else self.model,
            aliases=held.aliases if self.aliases is UNSET else self.aliases or (),
            spec=spec,
            sources=self._sources(held, spec),
        )

    def _sources(self, held: Product, spec: Spec) -> dict[str, Source]:
        if self.sources is None:
            return {}
        said = {} if self.sources is UNSET else self.sources
        _require_known("$.sources", said, spec)
        kept = {**still_sourced(held, spec), **said}
        return {name: source for name, source in kept.items() if source is not None}


def _patched(spec: Spec, said: dict[str, Figure | None]) -> Spec:
    """The spec sheet with these figures in place of its own."""
    _require_known("$.spec", {name: figure for name, figure in said.items() if name != "kind"}, spec)
    figured = {**msgspec.to_builtins(spec), **said}
    known = {name: figure for name, figure in figured.items() if figure is not None}
    try:
        return msgspec.convert(known, CameraSpec | LensSpec)
    except msgspec.ValidationError as error:
        found = mismatch(str(error), CameraSpec | LensSpec)
        raise InvalidError("$.spec" + found.field.removeprefix("$"), found.reason) from error


def _require_known(field: str, said: dict[str, Any], spec: Spec) -> None:
    for name in said:
        if name not in figures(spec):
            raise InvalidError(f"{field}.{name}", "unknown field")


class Survivor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The product that a duplicate is to become another name of."""

    into: Annotated[Identity, Meta(description="The id of the product that stays.")]


class MergeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a merge left: the product that stays, and how many reviews came to it."""

    product: ProductAnswer
    moved_reviews: int


class ProductRevisionHead(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a product, without what it said."""

    version: int
    at: datetime
    actor: Annotated[str, Meta(description="The id of the editor who made it, or which part of the program did.")]
    kind: Annotated[str, Meta(description="What was done: created, updated, restored, merged, absorbed.")]
    name: str


class ProductRevisionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some versions of a product, newest first; `next` is the cursor of the following page, null at the end."""

    revisions: tuple[ProductRevisionHead, ...]
    next: str | None


class ProductRevisionAnswer(ProductAnswer, frozen=True, kw_only=True):
    """A product as it stood at one version."""

    at: datetime
    actor: str
    kind_of_change: Annotated[str, Meta(description="What was done: created, updated, restored, merged, absorbed.")]


class ProductDifference(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between two versions of a product: `brand`, `spec.weight_g`, `sources.weight_g`…"""

    old: int
    new: int
    fields: tuple[FieldChange, ...]


def revision_head(kept: Kept) -> ProductRevisionHead:
    """A version as a list shows it."""
    product = kept.product
    return ProductRevisionHead(version=product.version, at=kept.at, actor=kept.actor, kind=kept.kind, name=product.name)


def revision(addresses: Addresses, kept: Kept) -> ProductRevisionAnswer:
    """A version with all that it said."""
    said = msgspec.structs.asdict(addresses.product(kept.product))
    return ProductRevisionAnswer(**said, at=kept.at, actor=kept.actor, kind_of_change=kept.kind)


def difference(old: int, new: int, found: tuple[Changed, ...]) -> ProductDifference:
    """What differs between two versions."""
    fields = tuple(FieldChange(field=each.field, old=each.before, new=each.after) for each in found)
    return ProductDifference(old=old, new=new, fields=fields)


Said = Callable[[Product], Product]
"""An edit: a product as it would be, given the one that it was made of."""
