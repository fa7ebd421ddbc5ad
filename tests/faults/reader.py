"""A reader: samples what the targets give, for as long as it is let, and tells what it was led to and did not find.

    python -m tests.faults.reader SITE TARGET…

It begins at the front page, the list of reviews and the head of the bundles, and follows what they name, at random.
When something is not there it asks once more whether it is still named: then it is torn. Ends when its input does, and
writes JSON: observations, torn, and the heads (epoch, version) of each target in the order they were seen.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import sys
import threading
from urllib.parse import quote, urlsplit

import msgspec

from publisher.site import sync, sync_wire
from publisher.site.sync_wire import Head
from tests.faults import checks


class Target:
    """One target, read over a connection that stays open."""

    def __init__(self, url: str) -> None:
        self.url, parts = url, urlsplit(url)
        self._root, self._connection = parts.path, http.client.HTTPConnection(parts.netloc, timeout=60)
        self.heads: list[tuple[int, int]] = []

    def get(self, key: str) -> bytes | None:
        """The body under a key, None when there is none; what the store cannot say now is asked again."""
        while True:
            try:
                self._connection.request("GET", quote(self._root + key))
                answer = self._connection.getresponse()
                body = answer.read()
            except (http.client.HTTPException, OSError):
                self._connection.close()
                continue
            if answer.status == 200:
                return body
            if answer.status == 404:
                return None


def walk(target: Target, site: str, chance: random.Random) -> tuple[int, list[str]]:
    """One walk of some steps from a beginning; how many objects were read, and what was torn."""
    key, read = chance.choice(checks.ROOTS), 0
    for _ in range(6):
        body = target.get(key)
        read += 1
        if body is None:
            return read, [f"{target.url}{key} is not there"] if key in checks.ROOTS else []
        if key == sync_wire.HEAD:
            head = msgspec.json.decode(body, type=Head)
            target.heads.append((head.epoch, head.version))
        following = sorted(checks.named(key, body, site))
        if not following:
            return read, []
        to = chance.choice(following)
        found = target.get(to)
        read += 1
        if found is None:
            again = target.get(key)
            if again is not None and to in checks.named(key, again, site) and target.get(to) is None:
                return read, [f"{target.url}{key} names {to}, which is not there"]
        elif sync.owns(to) and to.startswith(sync_wire.FOLDER):
            digest = sync.short(hashlib.sha256(found).hexdigest())
            if sync.key(digest) != to:
                return read, [f"{target.url}{to} is not what its name says"]
        key = to
    return read, []


def main(site: str, urls: list[str]) -> None:
    """Walk until the input ends."""
    ended = threading.Event()
    threading.Thread(target=_wait_for_the_end, args=(ended,), daemon=True).start()
    chance, targets = random.Random(3), [Target(url) for url in urls]
    observations, torn = 0, list[str]()
    while not ended.is_set():
        read, wrong = walk(chance.choice(targets), site, chance)
        observations += read
        torn += wrong
    heads = {target.url: target.heads for target in targets}
    json.dump({"observations": observations, "torn": torn[:20], "heads": heads}, sys.stdout)


def _wait_for_the_end(ended: threading.Event) -> None:
    sys.stdin.readline()
    ended.set()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
