"""`publish-vs-hugo`: one edit until it is in the bucket; ours beside Hugo's watch mode and `rclone sync`.

Both sides stay running between edits, write to the same store on the same machine, and take turns.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from benchmarks import hugo, newsroom, processes, results
from benchmarks.results import Report, Result
from publisher import plant, sandbox
from publisher.builder import Builder
from publisher.content import reviews
from publisher.content.model import Draft
from publisher.content.writer import Transaction, Writer
from publisher.delivery.push import Pusher
from publisher.local import binary
from publisher.settings import Settings

NAME = "publish-vs-hugo"
REVIEWS, ROUNDS = 10_000, 7
QUICK_REVIEWS, QUICK_ROUNDS = 40, 2
BUCKET = "hugo"
SYNC = ("sync", "--checksum", "--fast-list", "--transfers", "16", "--checkers", "16", "--stats", "0")
_TOTAL = re.compile(r"Total in ([\d.]+) (ms|s)\b")
_CHANGED = "Total in"
OURS, THEIRS = "publisher", "Hugo and rclone"
WARM_UPS = {OURS: 20, THEIRS: 1}
"""Edits before the measured ones: ours has caches to fill, and a few milliseconds are nothing in Hugo's seconds."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds of one edit: rendering, sending, both; and what Hugo says of its own rendering."""

    build: float
    push: float
    said: float = 0.0

    @property
    def total(self) -> float:
        """From the edit to the last object in the bucket."""
        return self.build + self.push


class Ours:
    """The publisher over a data directory: an open builder and pusher, as its worker has them."""

    def __init__(self, settings: Settings, running: ExitStack) -> None:
        parts = running.enter_context(plant.Plant(settings))
        self._builder: Builder = parts.builder()
        self._pusher: Pusher = parts.pusher()
        self._writer = running.enter_context(Writer(settings.data.content_db))
        self._renderer = sandbox.Sandbox()
        running.callback(self._renderer.close)
        self._ids = newsroom.review_ids(settings)

    def publish_all(self) -> None:
        """The whole site, once."""
        self._builder.build()
        self._pusher.run()

    def edit(self, number: int) -> Step:
        """Change the text of one review and publish it."""
        review_id = self._ids[number * 997 % len(self._ids)]
        started = time.perf_counter()
        self._writer.run(lambda tx: self._change(tx, review_id, number))
        self._builder.build()
        built = time.perf_counter()
        self._pusher.run()
        return Step(build=1e3 * (built - started), push=1e3 * (time.perf_counter() - built))

    def _change(self, tx: Transaction, review_id: str, number: int) -> None:
        held = reviews.get(tx.db, review_id)
        text = self._renderer.render(f"{reviews.text(tx.db, held.text_digest).markdown}\nCambio {number}.\n")
        draft = Draft(
            title=held.title, summary=held.summary, lang=held.lang, product_id=held.product_id, tags=held.tags,
            rating=held.rating, pros=held.pros, cons=held.cons, byline=held.byline,
        )  # fmt: skip
        reviews.update(tx, review_id, draft, text)


class Theirs:
    """Hugo watching its Markdown files, and rclone to bring what it wrote to a bucket of the same store."""

    def __init__(self, settings: Settings, folder: Path, running: ExitStack) -> None:
        self._posts = sorted(hugo.write(settings, folder).iterdir())
        self._public = folder / "public"
        self._log = folder.with_name("hugo.log")
        s3 = settings.s3
        self._environ = dict(os.environ) | {
            "RCLONE_CONFIG": os.devnull, "RCLONE_CONFIG_STORE_TYPE": "s3", "RCLONE_CONFIG_STORE_PROVIDER": "SeaweedFS",
            "RCLONE_CONFIG_STORE_ENDPOINT": s3.endpoint, "RCLONE_CONFIG_STORE_ACCESS_KEY_ID": s3.access_key,
            "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY": s3.secret_key, "RCLONE_CONFIG_STORE_REGION": s3.region,
        }  # fmt: skip
        self._hugo = running.enter_context(processes.running(hugo.command(folder, self._public, "--watch"), self._log))
        processes.wait_for(self._log, "Watching for changes", 0, self._hugo)

    def publish_all(self) -> None:
        """The whole site, once."""
        self._sync()

    def edit(self, number: int) -> Step:
        """Change the text of one post, wait until Hugo wrote the site, and send what changed."""
        post = self._posts[number * 997 % len(self._posts)]
        text, since = post.read_text(encoding="utf-8"), self._log.stat().st_size
        started = time.perf_counter()
        post.write_text(f"{text}\nCambio {number}.\n", encoding="utf-8")
        said = processes.wait_for(self._log, _CHANGED, since, self._hugo)
        built = time.perf_counter()
        self._sync()
        found = _TOTAL.search(said)
        own = 0.0 if found is None else float(found[1]) * (1 if found[2] == "ms" else 1e3)
        return Step(build=1e3 * (built - started), push=1e3 * (time.perf_counter() - built), said=own)

    def _sync(self) -> None:
        processes.watched([binary("rclone"), *SYNC, str(self._public), f"store:{BUCKET}"], environ=self._environ)


def run(folder: Path, quick: bool) -> Report:
    """Measure both, in turn."""
    count, rounds = (QUICK_REVIEWS, QUICK_ROUNDS) if quick else (REVIEWS, ROUNDS)
    chosen = newsroom.filled(folder / "data", count)
    steps: dict[str, list[Step]] = {OURS: [], THEIRS: []}
    notes = []
    with ExitStack() as running:
        stack = running.enter_context(newsroom.stack(chosen, parts=("s3",)))
        sides: dict[str, Ours | Theirs] = {
            OURS: Ours(stack.settings, running),
            THEIRS: Theirs(stack.settings, folder / "hugo", running),
        }
        for name, side in sides.items():
            started = time.perf_counter()
            side.publish_all()
            notes.append(f"{name}: the whole site was sent the first time in {time.perf_counter() - started:,.0f} s")
            for number in range(WARM_UPS[name]):
                side.edit(number)
        for number in range(100, 100 + rounds):
            for name in list(sides) if number % 2 else reversed(sides):
                steps[name].append(sides[name].edit(number))
    return Report(
        benchmark=NAME,
        title="One edit, beside Hugo and rclone",
        about=f"{count:,} reviews; the text of one is changed. Ours: commit, incremental build, push of what is owed. "
        'Theirs: `hugo build --watch` on the same reviews (from the change of the file to its line "Total in"), then '
        f"`rclone {' '.join(SYNC[:3])}` of its folder to a bucket of the same store, 16 transfers at a time. "
        f"Before the first round {WARM_UPS[OURS]} and {WARM_UPS[THEIRS]} edits were made.",
        results=_results(steps),
        notes=notes,
    )


def _results(steps: dict[str, list[Step]]) -> list[Result]:
    quantities: dict[str, Callable[[Step], float]] = {
        "build": lambda step: step.build,
        "push": lambda step: step.push,
        "edit to bucket": lambda step: step.total,
    }
    found = []
    for quantity, value in quantities.items():
        ours = [value(step) for step in steps[OURS]]
        found.append(results.result(NAME, OURS, quantity, "ms", ours))
        theirs = [value(step) for step in steps[THEIRS]]
        found.append(results.result(NAME, THEIRS, quantity, "ms", theirs, against=(OURS, ours)))
    said = [step.said for step in steps[THEIRS]]
    found.append(results.result(NAME, THEIRS, "build, as Hugo counts it", "ms", said))
    return found
