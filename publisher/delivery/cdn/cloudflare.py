"""Cloudflare: purge by URL, up to 100 in a call on every plan, done when the call returns.

Source: https://developers.cloudflare.com/cache/how-to/purge-cache/ (limits) and
https://developers.cloudflare.com/api/resources/cache/methods/purge/ (call); the check is
https://developers.cloudflare.com/api/resources/user/subresources/tokens/methods/verify/.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from publisher.delivery.cdn import Limits
from publisher.delivery.cdn.calls import Caller
from publisher.errors import PurgeError

API = "https://api.cloudflare.com/client/v4"
BATCH = 100
WHOLE_ABOVE = 2_000
"""Addresses above which one call for all is kinder than twenty: the free plan takes 800 URLs a second."""


class _Said(msgspec.Struct, frozen=True):
    code: int = 0
    message: str = ""


class _Result(msgspec.Struct, frozen=True):
    status: str = ""


class _Answer(msgspec.Struct, frozen=True):
    success: bool
    errors: list[_Said] = []
    result: _Result | None = None


class Cloudflare:
    """The zone of a site at `site_url`; `token` needs the permission to purge its cache and no other."""

    name = "cloudflare"
    limits = Limits(batch=BATCH, whole_above=WHOLE_ABOVE)

    def __init__(self, zone: str, token: str, site_url: str, *, api: str = API) -> None:
        self._path, self._site_url = f"/zones/{zone}/purge_cache", site_url.rstrip("/")
        self._caller = Caller(self.name, api, {"Authorization": f"Bearer {token}"})

    def purge(self, addresses: Sequence[str], reference: str) -> str:
        """Purge by URL."""
        return self._post({"files": [self._site_url + address for address in addresses]})

    def purge_all(self, reference: str) -> str:
        """Purge everything in the zone."""
        return self._post({"purge_everything": True})

    def done(self, ticket: str) -> bool:
        """A purge is done when its call returned."""
        return True

    def check(self) -> str:
        """Have the token verified; what it may do is not told to a token that may only purge."""
        result = self._call("GET", "/user/tokens/verify").result
        if result is None or result.status != "active":
            raise PurgeError(f"{self.name}: the token is {'unknown' if result is None else result.status}")
        return "the token is active; whether it may purge this zone shows at the first purge"

    def _post(self, body: dict[str, object]) -> str:
        self._call("POST", self._path, body)
        return ""

    def _call(self, method: str, path: str, body: dict[str, object] | None = None) -> _Answer:
        try:
            answer = msgspec.json.decode(self._caller.call(method, path, body=body), type=_Answer)
        except msgspec.DecodeError as error:
            raise PurgeError(f"{self.name}: an answer that is none of its interface: {error}") from error
        if not answer.success:
            said = "; ".join(f"{one.code} {one.message}" for one in answer.errors)
            raise PurgeError(f"{self.name}: {method} {path} was refused: {said or 'no reason given'}")
        return answer
