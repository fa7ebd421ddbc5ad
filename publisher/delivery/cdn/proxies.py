"""Edges of our own: nginx with its purge module, and Varnish; each of several machines is asked by itself.

`deploy/nginx/` and `deploy/varnish/` hold the configuration that answers these requests by fetching anew what is kept,
which takes as long as the store is away from the edge. So all edges are asked at once, each for several addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from publisher.delivery.cdn import Limits
from publisher.delivery.cdn.calls import Caller
from publisher.errors import PurgeError

NOT_KEPT = (404, 412)
"""What an edge answers for an address that it did not keep: as good as purged."""
NOWHERE = "/.well-known/no-such-page"
AT_ONCE = 8
"""Addresses that one edge is asked for at the same time."""


def _purge(edge: Caller, addresses: Sequence[str]) -> None:
    """`PURGE` several addresses at a time, up to the first that fails."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda address: edge.call("PURGE", address, fine=NOT_KEPT), addresses))


class Nginx:
    """nginx edges at `edges` (base URLs) that serve the site as `host`; all at once is beyond them."""

    name = "nginx"
    limits = Limits(batch=100)

    def __init__(self, edges: Sequence[str], host: str) -> None:
        self._callers = [Caller(f"{self.name} at {edge}", edge, {"Host": host}, at_once=AT_ONCE) for edge in edges]

    def purge(self, addresses: Sequence[str], reference: str) -> str:
        """`PURGE` each address on each edge; one that fails holds up no other edge."""
        with ThreadPoolExecutor(len(self._callers)) as edges:
            list(edges.map(lambda caller: _purge(caller, addresses), self._callers))
        return ""

    def purge_all(self, reference: str) -> str:
        """Refused: a PurgeError that says what to do."""
        raise PurgeError(f"{self.name}: cannot forget everything by a request; empty the folder of its cache")

    def done(self, ticket: str) -> bool:
        """A purge is done when its calls returned."""
        return True

    def check(self) -> str:
        """`PURGE` an address that there never is on each edge, which lets only those do so whom it knows."""
        self.purge([NOWHERE], "check")
        return f"{len(self._callers)} edges take purges from here"


class Varnish(Nginx):
    """Varnish edges, asked as nginx edges are, and by one `BAN` for all that they keep of `host`."""

    name = "varnish"
    limits = Limits(batch=100, whole_above=2_000)

    def purge_all(self, reference: str) -> str:
        """`BAN` every object of the host on each edge."""
        for caller in self._callers:
            caller.call("BAN", "/")
        return ""
