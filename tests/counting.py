"""Editors who count together: each adds one to the number that a review's summary says, as often as they are told to.

Whoever loses an update loses a number, so the sum tells.
"""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec

from tests.integration.api_fixtures import Server

REVIEW: dict[str, Any] = {"title": "Cuenta", "content": "Texto.", "camera_model": "Sony A7 IV"}


class Count(msgspec.Struct, frozen=True):
    """What counting came to: edits that were answered with 200, by address, and every status that was seen."""

    edits: dict[str, int]
    statuses: set[int]


def count(server: Server, *, editors: int, edits: int, reviews: int, condition: str | None = None) -> Count:
    """Have so many `editors` make so many `edits` each, all on a few reviews.

    They change the version that they read, or whatever `condition` says instead.
    """
    headers = {"Authorization": f"Bearer {server.token('ana')}"}
    with server.client("ana") as client:
        paths = [f"/reviews/{client.post('/reviews', json=REVIEW).json()['id']}" for _ in range(reviews)]

    def edit(number: int) -> Count:
        chance, found = random.Random(number), Count(dict.fromkeys(paths, 0), set())
        with httpx.Client(base_url=server.url, headers=headers, timeout=60, trust_env=False) as client:
            for turn in range(edits):
                path = paths[(number + turn) % reviews]
                while True:
                    read = client.get(path)
                    said = {"summary": str(int(read.json()["summary"] or 0) + 1)}
                    answer = client.patch(path, json=said, headers={"If-Match": condition or read.headers["etag"]})
                    found.statuses.update((read.status_code, answer.status_code))
                    if answer.status_code != 412:
                        break
                    time.sleep(chance.uniform(0, 0.02))
                found.edits[path] += answer.status_code == 200
        return found

    with ThreadPoolExecutor(editors) as pool:
        counted = list(pool.map(edit, range(editors)))
    return Count(
        {path: sum(one.edits[path] for one in counted) for path in paths},
        set[int]().union(*(one.statuses for one in counted)),
    )


def lost(server: Server, counted: Count) -> list[str]:
    """What does not fit what was counted: a number or a version that is not that of the edits that were answered."""
    faults = [f"an answer was a {status}" for status in sorted(counted.statuses - {200, 412})]
    with server.client("ana") as client:
        for path, edits in counted.edits.items():
            review = client.get(path).json()
            if int(review["summary"] or 0) != edits:
                faults.append(f"{path} counted to {review['summary']}, {edits} edits were answered")
            if review["version"] != edits + 1:
                faults.append(f"{path} is at version {review['version']} after {edits} edits")
    if "locked" in server.log.read_text():
        faults.append("the log says that something was locked")
    return faults
