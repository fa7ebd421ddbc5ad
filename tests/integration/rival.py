"""A publisher as a process of its own: it goes on putting a page and a pointer that say when they were built.

    python -m tests.integration.rival STORE FOLDER HOLDER fenced|unfenced

`STORE` is JSON with what reaches the bucket. It prints one word for each try: `put`, or an error's code. The pointer
says the time of its build in ns: it never falls while one publisher at a time writes.
"""

from __future__ import annotations

import sys
import time
import uuid
from datetime import UTC, datetime

import msgspec

from publisher.delivery.lease import Lease
from publisher.delivery.ledger import Desired, Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.push import Pusher
from publisher.delivery.s3 import S3
from publisher.errors import PublisherError
from publisher.site.artifact import Tier

LEASE_SECONDS = 1.5
AT = datetime(2026, 1, 2, tzinfo=UTC)
HTML = ("text/html; charset=utf-8", "no-store")


def main(store: str, folder: str, holder: str, kind: str) -> None:
    """Publish until killed."""
    target = S3(**msgspec.json.decode(store))
    ledger, objects = Ledger(":memory:"), Objects(folder)
    lease = Lease(target, holder, lambda: uuid.uuid4().hex, seconds=LEASE_SECONDS)
    pusher = Pusher(ledger, objects, target, concurrency=2, lease=lease if kind == "fenced" else None)
    seq = 0
    while True:
        seq += 1
        version = str(time.time_ns()).encode()
        digest = objects.put(version)
        objects.flush()
        rows = [Desired(key, "", digest, *HTML, int(tier)) for key, tier in (("p", Tier.leaf), ("head", Tier.pointer))]
        ledger.record(rows, (), seq=seq, content_version=seq, edition="e", at=AT)
        try:
            if kind == "unfenced":
                lease.hold()
            pusher.run()
            said = "put"
        except PublisherError as error:
            said = error.code
            time.sleep(0.05)
        sys.stdout.write(f"{said}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
