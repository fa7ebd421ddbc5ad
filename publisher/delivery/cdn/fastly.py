"""Fastly: purge by surrogate key, 256 in a call, everywhere within a fraction of a second.

Every object carries its own key as metadata (`publisher.delivery.cdn.tag`), which the service's configuration copies to
`Surrogate-Key`; answers of 404 carry `MISSING`, since a page that is new may be remembered as absent.
Source: https://www.fastly.com/documentation/reference/api/purging/; the check is
https://www.fastly.com/documentation/reference/api/auth-tokens/user/.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from publisher.delivery.cdn import Limits, tag
from publisher.delivery.cdn.calls import Caller
from publisher.errors import PurgeError

API = "https://api.fastly.com"
BATCH = 255
"""256 keys at most, one of them `MISSING`."""
MISSING = "missing"


class _Token(msgspec.Struct, frozen=True):
    scope: str = ""
    services: list[str] | None = None


class Fastly:
    """A service. `token` needs the scopes `purge_select` and `purge_all` of this service and no other."""

    name = "fastly"
    limits = Limits(batch=BATCH, whole_above=20 * BATCH)

    def __init__(self, service: str, token: str, *, api: str = API) -> None:
        self._service, self._path = service, f"/service/{service}"
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

    def check(self) -> str:
        """Have the token describe itself: it must be one that may purge this service."""
        try:
            token = msgspec.json.decode(self._caller.call("GET", "/tokens/self"), type=_Token)
        except msgspec.DecodeError as error:
            raise PurgeError(f"{self.name}: an answer that is none of its interface: {error}") from error
        scopes = set(token.scope.split())
        if "global" not in scopes and not scopes >= {"purge_select", "purge_all"}:
            raise PurgeError(f"{self.name}: the token may {token.scope or 'nothing'}, and needs purge_select purge_all")
        if token.services and self._service not in token.services:
            raise PurgeError(f"{self.name}: the token is for other services than {self._service}")
        return f"the token may purge the service {self._service}"
