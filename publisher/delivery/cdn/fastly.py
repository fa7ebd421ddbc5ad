"""Fastly: purge by surrogate key, 256 in a call, everywhere within a fraction of a second.

Every object carries its own key as metadata (`publisher.delivery.cdn.tag`), which the service's configuration copies to
`Surrogate-Key`; answers of 404 carry `MISSING`, since a page that is new may be remembered as absent.
Source: https://www.fastly.com/documentation/reference/api/purging/.
"""

from __future__ import annotations

from collections.abc import Sequence

from publisher.delivery.cdn import Limits, tag
from publisher.delivery.cdn.calls import Caller

API = "https://api.fastly.com"
BATCH = 255
"""256 keys at most, one of them `MISSING`."""
MISSING = "missing"


class Fastly:
    """A service. `token` needs the scopes `purge_select` and `purge_all` of this service and no other."""

    name = "fastly"
    limits = Limits(batch=BATCH, whole_above=20 * BATCH)

    def __init__(self, service: str, token: str, *, api: str = API) -> None:
        self._path = f"/service/{service}"
        self._caller = Caller(self.name, api, {"Fastly-Key": token, "Accept": "application/json"})

    def purge(self, addresses: Sequence[str], reference: str) -> str:
        """Purge by the keys of these addresses."""
        keys = [*map(tag, addresses), MISSING]
        self._caller.call("POST", f"{self._path}/purge", body={"surrogate_keys": keys})
        return ""

    def purge_all(self, reference: str) -> str:
        """Purge everything of the service."""
        self._caller.call("POST", f"{self._path}/purge_all")
        return ""

    def done(self, ticket: str) -> bool:
        """A purge is done when its call returned."""
        return True
