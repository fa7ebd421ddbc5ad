"""A way to the API that makes of it one with a fault, for who compares it with a model to find out."""

from __future__ import annotations

import json

import httpx


class Faulty(httpx.BaseTransport):
    """A way to the API that makes of it one with a fault."""

    def __init__(self, fault: str, chief: str) -> None:
        self._way, self._fault, self._chief = httpx.HTTPTransport(), fault, chief

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._spoil(request)
        answer = self._way.handle_request(request)
        if self._fault == "a merge moves no review" and request.url.path.endswith("/merge") and answer.is_success:
            said = json.loads(answer.read()) | {"moved_reviews": 0}
            return httpx.Response(200, headers={"etag": answer.headers["etag"]}, json=said)
        return answer

    def _spoil(self, request: httpx.Request) -> None:
        path, headers = request.url.path, request.headers
        match self._fault:
            case "keys are not looked at":
                headers.pop("idempotency-key", None)
            case "a key is one of its own with every body" if "idempotency-key" in headers:
                headers["idempotency-key"] += f"-{hash(request.content)}"
            case "everybody may do everything":
                headers["authorization"] = f"Bearer {self._chief}"
            case "what is scheduled stays scheduled" if path.endswith("/unpublish"):
                request.url = request.url.copy_with(path=path.replace("/unpublish", "/archive"))
            case "a moment is not kept" if path.endswith("/schedule"):
                request.stream = httpx.ByteStream(request.content.replace(b"2036", b"2035"))
            case "cursors are not looked at" | "state" | "product" | "tag" | "text" | "mine" | "editor":
                name = self._fault.replace("cursors are not looked at", "cursor")
                request.url = request.url.copy_remove_param(name)


FAULTS = (
    "keys are not looked at", "a key is one of its own with every body", "everybody may do everything",
    "what is scheduled stays scheduled", "a moment is not kept", "a merge moves no review", "cursors are not looked at",
    "state", "product", "tag", "text", "mine", "editor",
)  # fmt: skip
