"""What editors do to products, each as one operation of the writer: who may, at which version, what it leaves.

Every editor may add a product, and change one that they added as long as nobody else did. Chief editors and
administrators change all, and merge duplicates.
"""

from __future__ import annotations

from typing import Any

from api.auth import Principal
from api.editing import Precondition
from api.wire_products import NewProduct, Said, WholeProduct
from publisher.content import duplicates, history, merging, products
from publisher.content.database import Database
from publisher.content.duplicates import Merged
from publisher.content.history import Kept
from publisher.content.model import CameraSpec, LensSpec, Product
from publisher.content.revisions import Changed
from publisher.content.writer import Transaction
from publisher.errors import ForbiddenError, InvalidError, MergedError, NotFoundError, StaleVersionError


def create(tx: Transaction, said: NewProduct) -> Product:
    """Add a product."""
    return products.create(
        tx, brand=said.brand, model=said.model, aliases=said.aliases, spec=said.spec, sources=said.sources,
        product_id=said.id,
    )  # fmt: skip


def change(tx: Transaction, who: Principal, product_id: str, condition: Precondition, edit: Said) -> Product:
    """Say a product, or some of it, anew."""
    held = _held(tx.db, who, product_id, condition, edit)
    return products.save(tx, held, edit(held), "updated")


def restore(tx: Transaction, who: Principal, product_id: str, condition: Precondition, version: int) -> Product:
    """Say again what was said at a version."""
    _held(tx.db, who, product_id, condition)
    return products.restore(tx, product_id, version)


def merge(tx: Transaction, who: Principal, product_id: str, condition: Precondition, into: str) -> Merged:
    """Make a product another name of a second one."""
    if not who.sees_to_all:
        products.get(tx.db, product_id)
        raise ForbiddenError("only a chief editor or an administrator may merge products")
    _held(tx.db, who, product_id, condition)
    try:
        products.standing(tx.db, into)
    except NotFoundError as error:
        raise InvalidError("$.into", "no product has this id") from error
    except MergedError as error:
        raise InvalidError("$.into", f"was merged itself; the product that stayed is {error.into}") from error
    return duplicates.merge(tx, product_id, into)


def versions(db: Database, product_id: str, *, cursor: str | None, limit: int) -> tuple[list[Kept], str | None]:
    """Versions of a product, newest first."""
    products.get(db, product_id)
    return history.page(db, product_id, cursor=cursor, limit=limit)


def version(db: Database, product_id: str, number: int) -> Kept:
    """One version of a product."""
    products.get(db, product_id)
    return history.get(db, product_id, number)


def difference(db: Database, product_id: str, old: int, new: int) -> tuple[Changed, ...]:
    """What differs between two versions of a product."""
    return history.compared(version(db, product_id, old).product, version(db, product_id, new).product)


def _held(db: Database, who: Principal, product_id: str, condition: Precondition, edit: Said | None = None) -> Product:
    """The product, for those who may change it, at a version that `condition` allows; `edit` is what they would do."""
    held = products.standing(db, product_id)
    if not who.sees_to_all and not history.is_all_by(db, product_id, who.editor_id):
        raise ForbiddenError(
            "a product that others added or changed is changed by a chief editor or an administrator only"
        )
    if not condition.admits(held.version):
        proposal = None if edit is None else _proposal(db, held, condition.newest, edit)
        raise StaleVersionError(condition.newest, held.version, proposal)
    return held


def _proposal(db: Database, current: Product, version: int, edit: Said) -> WholeProduct | None:
    """The whole product with this edit of `version` on top of what is stored; None when they contradict each other."""
    try:
        base = history.get(db, current.id, version).product
    except NotFoundError:
        return None
    edited = edit(base)
    if edited.kind != current.kind:
        return None
    both = merging.merged(history.said(base), history.said(current), history.said(edited))
    return None if both is None else _whole(both, type(current.spec))


def _whole(said: dict[str, Any], kind: type[CameraSpec] | type[LensSpec]) -> WholeProduct:
    """The body that says each of `history.said`'s fields."""
    apart = {
        part: {name.removeprefix(part): value for name, value in said.items() if name.startswith(part)}
        for part in ("spec.", "sources.")
    }
    known = {name: source for name, source in apart["sources."].items() if source is not None}
    return WholeProduct(
        brand=said["brand"], model=said["model"], aliases=said["aliases"], spec=kind(**apart["spec."]), sources=known
    )
