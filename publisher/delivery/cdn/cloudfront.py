"""CloudFront: invalidations by path, whose completion is asked for later.

The first 1,000 items of a month are free and each further one costs 0.005 USD; an item is a path, a cache tag or `/*`
alike. A publish changes some twenty addresses, so above `WHOLE_ABOVE` of them the site is invalidated as a whole: one
item, at the price of a few requests to the bucket. At most 3,000 paths, or 15 wildcards, may be in progress. By
tag (`#…`) would cost as much, and leave the 404 that an edge keeps of a page that is new (docs/decisions/0035).
Sources: https://aws.amazon.com/cloudfront/pricing/ and
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html#limits-invalidations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import boto3
import botocore.config
import botocore.exceptions

from publisher.delivery.cdn import Limits
from publisher.errors import PurgeError

BATCH = 1_000
WHOLE_ABOVE = 4
BUSY_SECONDS = 60.0
NOTHING = "I0000000000000"
"""An invalidation that nobody made."""


class CloudFront:
    """A distribution. Credentials come by the usual AWS chain; `endpoint` is for stores that imitate AWS."""

    name = "cloudfront"

    def __init__(self, distribution: str, *, whole_above: int = WHOLE_ABOVE, endpoint: str = "") -> None:
        self.limits = Limits(batch=BATCH, whole_above=whole_above)
        self._distribution = distribution
        self._client = boto3.client(
            "cloudfront",
            region_name="us-east-1",
            endpoint_url=endpoint or None,
            config=botocore.config.Config(
                connect_timeout=5, read_timeout=15, retries={"mode": "standard", "max_attempts": 2}
            ),
        )

    def purge(self, addresses: Sequence[str], reference: str) -> str:
        """Invalidate these paths; made again with the same reference it is the same invalidation."""
        return self._create(list(addresses), reference)

    def purge_all(self, reference: str) -> str:
        """Invalidate `/*`, which counts as one item."""
        return self._create(["/*"], reference)

    def done(self, ticket: str) -> bool | None:
        """Whether an invalidation is complete; None when the distribution knows of none with this id."""
        try:
            answer = self._ask("get_invalidation", Id=ticket)
        except PurgeError as failure:
            if isinstance(failure.__cause__, self._client.exceptions.NoSuchInvalidation):
                return None
            raise
        return bool(answer["Invalidation"]["Status"] == "Completed")

    def check(self) -> str:
        """Ask for an invalidation that there never was: who may look is told that there is none."""
        self.done(NOTHING)
        return "the credentials may look at its invalidations; whether they may make one shows at the first"

    def _create(self, paths: list[str], reference: str) -> str:
        batch = {"Paths": {"Quantity": len(paths), "Items": paths}, "CallerReference": reference}
        return str(self._ask("create_invalidation", InvalidationBatch=batch)["Invalidation"]["Id"])

    def _ask(self, operation: str, **values: Any) -> Any:
        try:
            return getattr(self._client, operation)(DistributionId=self._distribution, **values)
        except botocore.exceptions.ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            busy = code in ("TooManyInvalidationsInProgress", "Throttling", "ThrottlingException")
            raise PurgeError(f"{self.name}: {code or error}", BUSY_SECONDS if busy else None) from error
        except botocore.exceptions.BotoCoreError as error:
            raise PurgeError(f"{self.name}: {type(error).__name__}") from error
