"""Products: cameras and lenses, found by any spelling, created when an editor names one that nobody knew."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from publisher.content import identity, listings, log, names, spellings
from publisher.content.database import Database, moment, stamp
from publisher.content.model import CameraSpec, Kind, LensSpec, Product, ProductId, Slug, Spec
from publisher.content.writer import Transaction
from publisher.errors import AmbiguousNameError, InvalidError, NotFoundError, StaleVersionError

COLUMNS = "id, slug, kind, brand, brand_slug, model, aliases, spec, source, version, ordinal, created_at, updated_at"
MAX_NAME = 150
_SPEC: msgspec.json.Decoder[Spec] = msgspec.json.Decoder(CameraSpec | LensSpec)
_ALIASES = msgspec.json.Decoder(tuple[str, ...])


def from_row(row: Sequence[object]) -> Product:
    """A product from a row of `COLUMNS`."""
    return _from_row(tuple(row))


@lru_cache(maxsize=2048)
def _from_row(row: tuple[object, ...]) -> Product:
    """The same row is the same product: those that many write about are read from one row again and again."""
    (pid, slug, _, brand, brand_slug, model, aliases, spec, source, version, ordinal, created, updated) = row
    return msgspec.convert(
        {
            "id": pid, "slug": slug, "brand": brand, "brand_slug": brand_slug, "model": model,
            "aliases": _ALIASES.decode(str(aliases)), "spec": _SPEC.decode(str(spec)), "source": source,
            "version": version, "ordinal": ordinal,
            "created_at": moment(str(created)), "updated_at": moment(str(updated)),
        },
        Product,
    )  # fmt: skip


def get(db: Database, product_id: str) -> Product:
    """The product with this id; NotFoundError when there is none."""
    row = db.conn.execute(f"SELECT {COLUMNS} FROM products WHERE id = ?", (product_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"no product has the id {product_id}")
    return from_row(row)


def candidates(db: Database, kind: Kind, name: str) -> list[Product]:
    """The products of this kind that `name` can mean, however it is spelt, in the order they were added."""
    return [get(db, product_id) for product_id in spellings.meant(db, kind, name)]


def find(db: Database, kind: Kind, name: str) -> Product | None:
    """The one product of this kind that `name` means; None when nobody knows it.

    Raises AmbiguousNameError when it can mean several, as a model's name without its brand may.
    """
    found = candidates(db, kind, name)
    if len(found) > 1:
        raise AmbiguousNameError(f"$.{kind}_model", name, tuple((one.id, one.name) for one in found))
    return found[0] if found else None


def find_or_create(tx: Transaction, kind: Kind, name: str) -> Product:
    """The product that `name` means, created with an empty spec sheet when unknown."""
    words = names.one_line(name)
    if not names.normal(words):
        raise InvalidError(f"$.{kind}_model", "needs at least one letter or digit")
    if len(words) > MAX_NAME:
        raise InvalidError(f"$.{kind}_model", f"longer than {MAX_NAME} characters")
    if (known := find(tx.db, kind, words)) is not None:
        return known
    brands = [row[0] for row in tx.db.conn.execute("SELECT DISTINCT brand FROM products")]
    brand, model = names.split_brand(words, brands)
    made = create(tx, brand=brand, model=model, spec=CameraSpec() if kind == "camera" else LensSpec())
    spellings.keep(tx.db, made, also=words)
    return made


def create(
    tx: Transaction,
    *,
    brand: str,
    model: str,
    spec: Spec,
    aliases: tuple[str, ...] = (),
    source: str = "",
) -> Product:
    """Add a product; its slug is made from its name and is its own for ever."""
    connection = tx.db.conn
    ordinal = connection.execute("SELECT coalesce(max(ordinal) + 1, 0) FROM products").fetchone()[0]
    product = Product(
        id=ProductId(identity.uuid7(tx.at)), slug=Slug(""), brand=brand, brand_slug=Slug(names.slugify(brand)),
        model=model, aliases=aliases, spec=spec, source=source, version=1, ordinal=ordinal,
        created_at=tx.at, updated_at=tx.at,
    )  # fmt: skip
    product = msgspec.structs.replace(product, slug=identity.claim(tx, "product", product.name, product.id))
    connection.execute(f"INSERT INTO products ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", _row(product))
    _remember_names(tx, product)
    log.append(tx, "product", product.id, 1, "created", log.digest(product), public=True)
    return product


def update(
    tx: Transaction,
    product_id: str,
    *,
    expected: int | None = None,
    brand: str | None = None,
    model: str | None = None,
    aliases: tuple[str, ...] | None = None,
    spec: Spec | None = None,
    source: str | None = None,
) -> Product:
    """Change what is named; a new name gives a new slug and leaves the old one leading to it.

    Raises StaleVersionError when `expected` is not the stored version. A save without change stores nothing.
    """
    held = get(tx.db, product_id)
    if expected is not None and expected != held.version:
        raise StaleVersionError(expected, held.version)
    if spec is not None and type(spec) is not type(held.spec):
        raise InvalidError("$.spec.kind", "a camera does not become a lens, nor a lens a camera")
    changed = msgspec.structs.replace(
        held,
        brand=held.brand if brand is None else brand,
        brand_slug=held.brand_slug if brand is None else Slug(names.slugify(brand)),
        model=held.model if model is None else model,
        aliases=held.aliases if aliases is None else aliases,
        spec=held.spec if spec is None else spec,
        source=held.source if source is None else source,
    )
    if changed == held:
        return held
    slug = held.slug if changed.name == held.name else identity.claim(tx, "product", changed.name, held.id)
    changed = msgspec.structs.replace(changed, slug=slug, version=held.version + 1, updated_at=tx.at)
    tx.db.conn.execute(
        "UPDATE products SET slug=?, kind=?, brand=?, brand_slug=?, model=?, aliases=?, spec=?, source=?, version=?,"
        " ordinal=?, created_at=?, updated_at=? WHERE id=?",
        (*_row(changed)[1:], changed.id),
    )
    _remember_names(tx, changed)
    if changed.brand_slug != held.brand_slug:
        _move_to_brand(tx, held, changed)
    log.append(tx, "product", changed.id, changed.version, "updated", log.digest(changed), public=True)
    return changed


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


def _remember_names(tx: Transaction, product: Product) -> None:
    tx.db.conn.execute("INSERT OR IGNORE INTO product_brands VALUES (?, ?)", (product.id, product.brand_slug))
    spellings.keep(tx.db, product)


def _row(product: Product) -> tuple[object, ...]:
    encode = msgspec.json.encode
    return (
        product.id, product.slug, product.kind, product.brand, product.brand_slug, product.model,
        encode(product.aliases).decode(), encode(product.spec).decode(), product.source, product.version,
        product.ordinal, stamp(product.created_at), stamp(product.updated_at),
    )  # fmt: skip
