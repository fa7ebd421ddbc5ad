"""Products: cameras and lenses, found by any spelling, created when an editor names one that nobody knew.

Each change is one revision and one row of the log. A figure that changes loses its source, unless a new one is named
with it.

A product that was made by naming it in a review which nobody may read yet is withheld: readers are shown nothing of it
until a review that they see is about it, or until somebody saves it as a product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from publisher.content import history, identity, known, listings, log, names, sheets, spellings
from publisher.content.database import Database, moment, stamp
from publisher.content.model import CameraSpec, Kind, LensSpec, Product, ProductId, Slug, Source, Spec, figures
from publisher.content.writer import Transaction
from publisher.errors import (
    AmbiguousNameError,
    ConflictError,
    InvalidError,
    MergedError,
    NotFoundError,
    StaleVersionError,
)

COLUMNS = (
    "id, slug, kind, brand, brand_slug, model, aliases, spec, sources, source, version, ordinal, created_at,"
    " updated_at, merged_into"
)
_SPEC: msgspec.json.Decoder[Spec] = msgspec.json.Decoder(CameraSpec | LensSpec)
_ALIASES = msgspec.json.Decoder(tuple[str, ...])
_SOURCES = msgspec.json.Decoder(dict[str, Source])
_NAMES = COLUMNS.split(", ")
_UPSERT = (
    f"INSERT INTO products ({COLUMNS}) VALUES ({','.join('?' * len(_NAMES))}) ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _NAMES[1:])
)


@lru_cache(maxsize=1024)
def from_row(row: tuple[Any, ...]) -> Product:
    """A product from a row of `COLUMNS`; many reviews are about the same."""
    fields = dict(zip(_NAMES, row, strict=True))
    del fields["kind"]
    fields["aliases"], fields["spec"] = _ALIASES.decode(fields["aliases"]), _SPEC.decode(fields["spec"])
    fields["sources"] = _SOURCES.decode(fields["sources"])
    fields["created_at"], fields["updated_at"] = moment(fields["created_at"]), moment(fields["updated_at"])
    return Product(**fields)


def get(db: Database, product_id: str) -> Product:
    """The product with this id, even if it is merged into another; NotFoundError when there is none."""
    row = db.conn.execute(f"SELECT {COLUMNS} FROM products WHERE id = ?", (product_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"no product has the id {product_id}")
    return from_row(row)


def current(db: Database, product_id: str) -> Product:
    """The product with this id, or that which it was merged into; NotFoundError when there is none."""
    found = get(db, product_id)
    while found.merged_into is not None:
        found = get(db, found.merged_into)
    return found


def candidates(db: Database, kind: Kind, name: str) -> list[Product]:
    """The products of this kind that `name` can mean, however it is spelt, in the order they were added."""
    return [from_row(row) for row in spellings.meant(db, kind, name, COLUMNS)]


def find(db: Database, kind: Kind, name: str) -> Product | None:
    """The one product of this kind that `name` means; None when nobody knows it.

    Raises AmbiguousNameError when it can mean several, as a model's name without its brand may.
    """
    found = candidates(db, kind, name)
    if len(found) > 1:
        raise AmbiguousNameError(f"$.{kind}_model", name, tuple((one.id, one.name) for one in found))
    return found[0] if found else None


def find_or_create(tx: Transaction, kind: Kind, name: str, *, is_public: bool = True) -> Product:
    """The product that `name` means, created with an empty spec sheet when unknown: withheld unless `is_public`."""
    words = names.one_line(name)
    if not names.normal(words):
        raise InvalidError(f"$.{kind}_model", "needs at least one letter or digit")
    if len(words) > sheets.MAX_NAME:
        raise InvalidError(f"$.{kind}_model", f"longer than {sheets.MAX_NAME} characters")
    if (held := tx.known.meant.get((kind, words)) or find(tx.db, kind, words)) is not None:
        known.remember_product(tx.known, kind, words, held)
        return held
    brands = [row[0] for row in tx.db.conn.execute("SELECT DISTINCT brand FROM products")]
    brand, model = names.split_brand(words, brands)
    if not (names.normal(brand) and names.normal(model)):  # half of it says nothing: `® X`
        brand = model = words
    if (titled := spellings.titled(tx.db, kind, brand, model)) is not None:
        return get(tx.db, titled)
    spec = CameraSpec() if kind == "camera" else LensSpec()
    made = create(tx, brand=brand, model=model, spec=spec, is_public=is_public)
    spellings.keep(tx.db, made, also=words)
    spellings.give_way(tx.db, made.id)
    return made


def create(
    tx: Transaction,
    *,
    brand: str,
    model: str,
    spec: Spec,
    aliases: Sequence[str] = (),
    sources: Mapping[str, Source] = {},
    source: str = "",
    product_id: str | None = None,
    is_public: bool = True,
) -> Product:
    """Add a product; its slug is made from its name and is its own for ever. It is withheld unless `is_public`.

    Raises ConflictError when the id or one of its full names is taken, InvalidError for what breaks a rule.
    """
    pid = identity.uuid7(tx.at) if product_id is None else identity.require_uuid7(product_id)
    connection = tx.db.conn
    if connection.execute("SELECT 1 FROM products WHERE id = ?", (pid,)).fetchone():
        raise ConflictError(f"a product with the id {pid} exists already")
    identity.require_possible(pid, tx.at)
    ordinal = connection.execute("SELECT coalesce(max(ordinal) + 1, 0) FROM products").fetchone()[0]
    product = Product(
        id=ProductId(pid), slug=Slug(""), brand=brand, brand_slug=Slug(""), model=model, aliases=tuple(aliases),
        spec=spec, sources=dict(sources), source=source, version=0, ordinal=ordinal, created_at=tx.at,
        updated_at=tx.at,
    )  # fmt: skip
    return save(tx, None, product, "created", is_public=is_public)


def update(
    tx: Transaction,
    product_id: str,
    *,
    expected: int | None = None,
    brand: str | None = None,
    model: str | None = None,
    aliases: Sequence[str] | None = None,
    spec: Spec | None = None,
    sources: Mapping[str, Source] | None = None,
    source: str | None = None,
) -> Product:
    """Change what is named; a new name gives a new slug and leaves the old one leading to it.

    Without `sources` the figures that stay keep theirs. A save without change stores nothing. Raises StaleVersionError
    when `expected` is not the stored version, MergedError when the product is another by now.
    """
    held = standing(tx.db, product_id, expected)
    changed = msgspec.structs.replace(
        held,
        brand=held.brand if brand is None else brand,
        model=held.model if model is None else model,
        aliases=held.aliases if aliases is None else tuple(aliases),
        spec=held.spec if spec is None else spec,
        source=held.source if source is None else source,
    )
    kept = still_sourced(held, changed.spec) if sources is None else dict(sources)
    return save(tx, held, msgspec.structs.replace(changed, sources=kept), "updated")


def restore(tx: Transaction, product_id: str, version: int, *, expected: int | None = None) -> Product:
    """Say again what was said at `version`, as a new version; NotFoundError when there was none."""
    held = standing(tx.db, product_id, expected)
    old = history.get(tx.db, product_id, version).product
    said = msgspec.structs.replace(
        held, brand=old.brand, model=old.model, aliases=old.aliases, spec=old.spec, sources=old.sources,
        source=old.source,
    )  # fmt: skip
    return save(tx, held, said, "restored")


def standing(db: Database, product_id: str, expected: int | None = None) -> Product:
    """The product to be changed: MergedError when it is another by now, StaleVersionError when not `expected`."""
    held = get(db, product_id)
    if held.merged_into is not None:
        raise MergedError(held.name, current(db, held.merged_into).id)
    if expected is not None and expected != held.version:
        raise StaleVersionError(expected, held.version)
    return held


def still_sourced(held: Product, spec: Spec) -> dict[str, Source]:
    """The sources of those figures that are in `spec` as they were."""
    before, after = figures(held.spec), figures(spec)
    return {name: source for name, source in held.sources.items() if before.get(name) == after.get(name)}


def save(
    tx: Transaction,
    held: Product | None,
    product: Product,
    kind: str,
    *,
    always: bool = False,
    is_public: bool = True,
) -> Product:
    """Store a product that differs from `held` (or `always`) as its next version, and have it found by its names."""
    tidy = sheets.tidy(product)
    if held is not None and tidy == held and not always:
        return held
    if held is not None and type(tidy.spec) is not type(held.spec):
        raise InvalidError("$.spec.kind", "a camera does not become a lens, nor a lens a camera")
    sheets.require(tidy)
    slug = held.slug if held is not None and tidy.name == held.name else None
    tidy = msgspec.structs.replace(
        tidy,
        slug=identity.claim(tx, "product", tidy.name, tidy.id) if slug is None else slug,
        version=tidy.version + 1,
        updated_at=tx.at,
    )
    store(tx, tidy, kind, is_public=is_public)
    tx.db.conn.execute("INSERT OR IGNORE INTO product_brands VALUES (?, ?)", (tidy.id, tidy.brand_slug))
    spellings.keep(tx.db, tidy)
    if held is not None and tidy.brand_slug != held.brand_slug:
        _move_to_brand(tx, held, tidy)
    return tidy


def store(tx: Transaction, product: Product, kind: str, *, is_public: bool = True) -> None:
    """Write the row, the revision and the row of the log of a version; from it on, it is withheld or public."""
    tx.known.meant.clear()
    tx.db.conn.execute(_UPSERT, _row(product))
    if is_public:
        tx.db.conn.execute("DELETE FROM withheld WHERE product_id = ?", (product.id,))
        known.remember(tx.known.products, product.id)
    else:
        tx.db.conn.execute("INSERT OR IGNORE INTO withheld VALUES (?)", (product.id,))
    history.record(tx, product, kind)
    log.append(tx, "product", product.id, product.version, kind, log.digest(product), public=is_public)


def is_withheld(db: Database, product_id: str) -> bool:
    """Whether readers may not know of this product yet."""
    query = "SELECT 1 FROM withheld WHERE product_id = ?"
    return db.conn.execute(query, (product_id,)).fetchone() is not None


def show(tx: Transaction, product_id: str) -> None:
    """Let readers know of a product, because a review that they see is about it; a version of its own if withheld."""
    if product_id in tx.known.products:
        return
    if is_withheld(tx.db, product_id):
        held = get(tx.db, product_id)
        store(tx, msgspec.structs.replace(held, version=held.version + 1, updated_at=tx.at), history.SHOWN)
    known.remember(tx.known.products, product_id)


def _move_to_brand(tx: Transaction, held: Product, changed: Product) -> None:
    rows = tx.db.conn.execute(
        "SELECT p.review_id FROM places p WHERE p.listing = ? AND p.live = 1 ORDER BY p.ordinal",
        (f"product:{held.id}",),
    ).fetchall()
    for (review_id,) in rows:
        wanted = dict(
            tx.db.conn.execute(
                "SELECT l.name, l.title FROM places p JOIN listings l ON l.name = p.listing"
                " WHERE p.review_id = ? AND p.live = 1 AND p.listing != ?",
                (review_id, f"brand:{held.brand_slug}"),
            ).fetchall()
        )
        listings.place(tx, review_id, {**wanted, f"brand:{changed.brand_slug}": changed.brand})


def _row(product: Product) -> tuple[Any, ...]:
    """The values of `COLUMNS`; InvalidError when a figure is out of its bounds, for it could not be read again."""
    values = {name: getattr(product, name) for name in _NAMES}
    for name in ("aliases", "spec", "sources"):
        values[name] = msgspec.json.encode(values[name]).decode()
    try:
        _SPEC.decode(values["spec"])
    except msgspec.ValidationError as error:
        raise InvalidError("$.spec", str(error)) from error
    values["created_at"], values["updated_at"] = stamp(product.created_at), stamp(product.updated_at)
    return tuple(values.values())
