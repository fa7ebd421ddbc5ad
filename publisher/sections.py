"""Sections of the settings that one part of the program reads each: how it builds, and how it is watched.

They are read with all others (`publisher.settings`).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Build(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How pages are rendered."""

    workers: Annotated[int, Meta(ge=0, le=64, description="Processes for a full build; 0 takes one for each core.")] = 0


class Metrics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the write API tells a monitoring system at `/metrics`."""

    token: Annotated[
        str,
        Meta(
            pattern=r"^(\S{20,200})?$",
            description="Lets Prometheus in, as `Authorization: Bearer …`, 20 to 200 characters; "
            "empty lets in administrators only.",
        ),
    ] = ""


class Webhooks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where publishes may be told to."""

    allowed_hosts: Annotated[
        str,
        Meta(
            description="Hosts, apart by commas, that webhooks may go to wherever they are and without TLS: those of "
            "an intranet. All others must be on the public internet and speak HTTPS."
        ),
    ] = ""

    @property
    def hosts(self) -> frozenset[str]:
        """The same, apart."""
        return frozenset(filter(None, (host.strip().lower() for host in self.allowed_hosts.split(","))))


class Logs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the write API and the worker write to standard error."""

    format: Annotated[
        Literal["json", "text"], Meta(description="One JSON object for each event, or one line of words.")
    ] = "json"
    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="The least that is written; at `info`, one line for each request."),
    ] = "info"


class Traces(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where what became of each writing request is told to, by OpenTelemetry (`pip install …[otel]`)."""

    endpoint: Annotated[
        str,
        Meta(
            pattern=r"^(https?://\S+)?$",
            description="Address that takes traces by OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`; empty "
            "tells nobody. What it wants in headers is OpenTelemetry's own `OTEL_EXPORTER_OTLP_HEADERS`.",
        ),
    ] = ""
