"""What this process counts for Prometheus: requests, sign-ins and commits; the rest is looked up when it is asked for.

No label has more values than the program has routes, statuses and kinds: never an id, an address or what a client sent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram, exposition
from prometheus_client.registry import Collector

from publisher import monitoring

MEDIA_TYPE = "text/plain; version=0.0.4"
"""The text format that every version of Prometheus reads; the framework adds the character set."""
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"})
UNKNOWN = "unknown"
"""The label of a method or an address that the API does not have."""
LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
FSYNCS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
GROUPS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

SignIn = Literal["granted", "refused", "throttled"]


class Metrics:
    """The counters of one running application."""

    def __init__(self) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self._registry)
        prometheus_client.PlatformCollector(registry=self._registry)
        self._requests = Histogram(
            "publisher_http_request_seconds",
            "Time from the arrival of a request to the beginning of its answer.",
            ["method", "route", "status"],
            buckets=LATENCIES,
            registry=self._registry,
        )
        self._of: dict[tuple[str, str, int], Histogram] = {}
        self._sign_ins = Counter(
            "publisher_sign_ins", "Attempts to sign in with a password.", ["outcome"], registry=self._registry
        )
        for outcome in ("granted", "refused", "throttled"):
            self._sign_ins.labels(outcome)
        self._groups = Histogram(
            "publisher_commit_operations", "Writes that one commit answered.", buckets=GROUPS, registry=self._registry
        )
        self._commits = Histogram(
            "publisher_commit_seconds",
            "Time that COMMIT took: the write-ahead log written and synchronised with the disk.",
            buckets=FSYNCS,
            registry=self._registry,
        )

    def add(self, collector: Collector) -> None:
        """Show what this one looks up, too."""
        self._registry.register(collector)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. Called for each one, so that the labels are looked up once for each combination."""
        known = self._of.get((method, route, status))
        if known is None:
            said = method if method in METHODS else UNKNOWN
            known = self._requests.labels(said, route, str(status))
            if said == method:  # what a client makes up is not kept
                self._of[method, route, status] = known
        known.observe(seconds)

    def signed_in(self, outcome: SignIn) -> None:
        """Count an attempt to sign in."""
        self._sign_ins.labels(outcome).inc()

    def committed(self, operations: int, seconds: float) -> None:
        """Count a commit, once its answers are here."""
        self._groups.observe(operations)
        self._commits.observe(seconds)

    def text(self, data_dir: Path) -> bytes:
        """Everything, with what the worker last reported, in Prometheus' text format."""
        return exposition.generate_latest(self._registry) + monitoring.reported(data_dir).encode()
