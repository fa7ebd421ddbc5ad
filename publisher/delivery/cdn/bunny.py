"""Bunny: purge by URL, one in a call, done when the call returns; or the whole pull zone in one.

`exactPath` keeps the purge of `/` from being that of all that is below it. It is heeded only by a pull zone whose cache
tells queries apart, as that in `deploy/bunny/` does (by one name that nobody uses);
elsewhere more is purged, never less.
A key of Bunny's is one of the whole account: there is none that may only purge.
Source: https://docs.bunny.net/api-reference/core/purge/purge-url and
https://docs.bunny.net/api-reference/core/pull-zone/purge-cache; the check is
https://docs.bunny.net/api-reference/core/pull-zone/get-pull-zone.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode, urlsplit

import msgspec

from publisher.delivery.cdn import Limits
from publisher.delivery.cdn.calls import Caller
from publisher.errors import PurgeError

API = "https://api.bunny.net"
BATCH = 100
WHOLE_ABOVE = 200
"""Addresses above which one call for all is kinder than as many calls: an import, a change of every page."""


class _Host(msgspec.Struct, frozen=True):
    value: str = msgspec.field(name="Value")


class _Zone(msgspec.Struct, frozen=True):
    hostnames: list[_Host] = msgspec.field(name="Hostnames", default=[])


class Bunny:
    """The pull zone of a site at `site_url`; `token` is a key of the account."""

    name = "bunny"
    limits = Limits(batch=BATCH, whole_above=WHOLE_ABOVE)

    def __init__(self, zone: str, token: str, site_url: str, *, api: str = API) -> None:
        self._zone, self._site_url = zone, site_url.rstrip("/")
        self._caller = Caller(self.name, api, {"AccessKey": token})

    def purge(self, addresses: Sequence[str], reference: str) -> str:
        """Purge URL by URL; after a failure the whole batch is owed still, and asked for again."""
        for address in addresses:
            asked = urlencode({"url": self._site_url + address, "async": "false", "exactPath": "true"})
            self._caller.call("POST", f"/purge?{asked}")
        return ""

    def purge_all(self, reference: str) -> str:
        """Purge everything of the pull zone."""
        self._caller.call("POST", f"/pullzone/{self._zone}/purgeCache")
        return ""

    def done(self, ticket: str) -> bool:
        """A purge is done when its calls returned."""
        return True

    def check(self) -> str:
        """Look at the pull zone, which must serve the host of the site."""
        try:
            zone = msgspec.json.decode(self._caller.call("GET", f"/pullzone/{self._zone}"), type=_Zone)
        except msgspec.DecodeError as error:
            raise PurgeError(f"{self.name}: an answer that is none of its interface: {error}") from error
        host = urlsplit(self._site_url).hostname
        if host not in {one.value.lower() for one in zone.hostnames}:
            raise PurgeError(f"{self.name}: the pull zone {self._zone} does not serve {host}")
        return f"the key is taken, and the pull zone {self._zone} serves {host}"
