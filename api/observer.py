"""What is noted of each request once its answer begins: one observation, one line. Both together take microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from api.metrics import UNKNOWN, Metrics
from publisher import logs, tracing

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

_ENCODE = msgspec.json.Encoder().encode


class Line(msgspec.Struct, frozen=True):
    """A request as it is logged: by its route, never by its address or body, for these may hold secrets."""

    at: str
    level: str
    logger: str
    message: str
    method: str
    route: str
    status: int
    ms: float
    request_id: str
    editor: str


class Observer:
    """Counts each request and, where `layout` is not None, logs it; tells `traces` of those that write."""

    def __init__(self, metrics: Metrics, layout: logs.Layout | None, traces: tracing.Sink | None = None) -> None:
        self._metrics, self._layout, self._traces = metrics, layout, traces

    def __call__(self, scope: Mapping[str, Any], method: str, status: int, seconds: float) -> None:
        """Note that the request of `scope` is answered with `status`, `seconds` after it came."""
        route = scope.get("path_template") or UNKNOWN
        self._metrics.answered(method, route, status, seconds)
        if self._layout is not None:
            logs.write(self._line(scope, method, route, status, seconds))
        if self._traces is not None and method in WRITES:
            now = datetime.now(UTC)
            span = tracing.of_request(scope["request_id"], method, route, status, ended=now, seconds=seconds)
            self._traces.add([span])

    def _line(self, scope: Mapping[str, Any], method: str, route: str, status: int, seconds: float) -> bytes:
        method = method if method.isalpha() else UNKNOWN
        who = scope.get("user")
        line = Line(
            datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z", "info", "api.requests",
            f"{method} {route} {status}", method, route, status, round(seconds * 1000, 3), scope["request_id"],
            "" if who is None else who.editor_id,
        )  # fmt: skip
        if self._layout == "json":
            return _ENCODE(line) + b"\n"
        said = f"{line.at} INFO {line.logger} {line.message} ms={line.ms} request_id={line.request_id}"
        return f"{said} editor={line.editor}\n".encode()
