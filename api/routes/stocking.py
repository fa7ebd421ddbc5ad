"""What the routes of products share: how a change is made and answered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import msgspec
from litestar import Response

from api.newsroom import newsroom_of
from api.routes.answers import etag
from api.routes.asking import Asking, done, monitor
from api.wire import Addresses, ProductAnswer
from api.wire_products import MergeAnswer
from publisher.content import log
from publisher.content.duplicates import Merged
from publisher.content.model import Product
from publisher.content.replies import Reply
from publisher.content.writer import Transaction

T = TypeVar("T")


async def stocked(
    request: Asking,
    operation: Callable[[Transaction], Product],
    *,
    key: str | None = None,
    said: object = None,
    status: int = 200,
) -> Response[ProductAnswer]:
    """Do `operation`, once for a `key` that comes again with what is `said`, and answer the product that it leaves."""
    answer = partial(_product, newsroom_of(request).addresses, status=status)
    return await done(request, partial(_numbered, operation=operation), answer, key=key, said=said)


async def merged(
    request: Asking, operation: Callable[[Transaction], Merged], *, key: str | None = None, said: object = None
) -> Response[MergeAnswer]:
    """Do a merge, once for a `key` that comes again with what is `said`, and answer what it leaves."""
    answer = partial(_merge, newsroom_of(request).addresses)
    return await done(request, partial(_numbered, operation=operation), answer, key=key, said=said)


def _numbered(tx: Transaction, operation: Callable[[Transaction], T]) -> tuple[T, int]:
    """What `operation` leaves, with the number of the change whose publish brings it to the readers."""
    return operation(tx), log.reached(tx)


def _product(addresses: Addresses, left: tuple[Product, int], *, status: int) -> Reply:
    product, seq = left
    headers = {"ETag": etag(product.version), "Link": monitor(seq)}
    if status == 201:
        headers["Location"] = f"/products/{product.id}"
    return Reply(status=status, headers=headers, body=msgspec.json.encode(addresses.product(product)))


def _merge(addresses: Addresses, left: tuple[Merged, int]) -> Reply:
    merge, seq = left
    headers = {"ETag": etag(merge.survivor.version), "Link": monitor(seq)}
    said = MergeAnswer(product=addresses.product(merge.survivor), moved_reviews=merge.moved)
    return Reply(status=200, headers=headers, body=msgspec.json.encode(said))
