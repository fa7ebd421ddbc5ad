"""The parts that a root puts together: from settings to a builder, a pusher, a worker.

What brings the libraries of stores and networks is imported where it is made: a build needs none of them, and is
spared a fifth of a second and 13 MB.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from publisher import damage, worker
from publisher.builder import Builder
from publisher.bundler import begin_epoch_if_back
from publisher.content import log, migrations
from publisher.content.database import connect
from publisher.delivery.caps import USUAL, Cap
from publisher.delivery.cdn import Cdn
from publisher.delivery.fitness import Fitness
from publisher.delivery.garbage import Garbage
from publisher.delivery.holdings import Holdings
from publisher.delivery.lease import Lease
from publisher.delivery.ledger import Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.probe import Expected, Probe
from publisher.delivery.purges import Purges
from publisher.delivery.purging import Purger
from publisher.delivery.push import Pusher
from publisher.delivery.receipts import Receipts
from publisher.errands import Errands
from publisher.errors import PublisherError, SettingsError
from publisher.jobs import Jobs
from publisher.logs import fields
from publisher.settings import Settings
from publisher.settings import Target as Region
from publisher.signing import Signing
from publisher.site.pages import Site
from publisher.succession import require_past
from publisher.turns import Turn
from publisher.webhooks.courier import Courier
from publisher.worker import Round

if TYPE_CHECKING:
    from publisher.backup import Backup
    from publisher.delivery.indexnow import Announcer
    from publisher.delivery.s3 import S3
    from publisher.monitoring import WorkerMetrics
    from publisher.tracing import Tracer

logger = logging.getLogger("publisher.plant")


def regions(settings: Settings, names: Sequence[str] = ()) -> tuple[Region, ...]:
    """The targets of the settings in rollout order, or those called `names`; SettingsError where there are none."""
    every = settings.regions
    if not every:
        raise SettingsError(
            "no bucket is set: give S3_BUCKET (and S3_ENDPOINT unless it is on AWS) or `[[targets]]` in the settings"
            " file, or start the embedded stack with `publisher up`"
        )
    for name in names:
        if name not in [region.name for region in every]:
            raise SettingsError(f"no target is called {name}; there are: {', '.join(one.name for one in every)}")
    return tuple(region for region in every if not names or region.name in names)


def bucket(region: Region) -> S3:
    """The bucket of a region."""
    from publisher.delivery.s3 import S3

    return S3(
        region.bucket, endpoint=region.endpoint, region=region.region, access_key=region.access_key,
        secret_key=region.secret_key, profile=region.profile, prefix=region.folder, name=region.name,
        connect_seconds=region.connect_seconds, request_seconds=region.request_seconds,
    )  # fmt: skip


def backup(settings: Settings) -> Backup:
    """The backup of the data directory of some settings; BackupError where no bucket is set for it."""
    from publisher import local
    from publisher.backup import Backup
    from publisher.litestream import Habits, Place

    s = settings.backup
    place = Place(
        bucket=s.bucket, prefix=s.prefix, endpoint=s.endpoint, region=s.region, access_key=s.access_key,
        secret_key=s.secret_key,
    )  # fmt: skip
    habits = Habits(sync_seconds=s.sync_seconds, snapshot_hours=s.snapshot_hours, keep_days=s.keep_days)
    program = local.binary("litestream")
    return Backup(program, place, settings.data.dir, os.environ, passphrase=s.passphrase, habits=habits)


TRIES = 4
"""How often a PUT is tried in one push, while the store takes others."""


def _mark() -> str:
    return uuid.uuid4().hex


def collect(garbage: Garbage) -> None:
    """Let the worker collect garbage, when it is time; what fails is tried again at the next time."""
    try:
        collected = garbage.turn()
    except PublisherError as error:
        logger.warning("cannot collect garbage: %s", error)
        return
    for failure in collected.failures.values() if collected is not None else ():
        logger.warning("cannot collect garbage: %s", failure)
    if collected is not None and collected.count:
        objects = sum(map(len, collected.objects.values()))
        logger.info("collected garbage", extra=fields(objects=objects, bodies=len(collected.bodies)))


class Plant:
    """Opened once by a command, closed at its end; parts are made when first asked for.

    With `exclusive` it has the turn on the data directory: only one process builds and pushes at a time. A worker is
    waited for so many seconds (`patience`), until it lends its own.
    """

    def __init__(self, settings: Settings, *, exclusive: bool = True, patience: float = 0.0) -> None:
        self.settings = settings
        self._open = ExitStack()
        self.turn = Turn(settings.data.dir)
        if exclusive:
            self.turn.take(patience)
            self._open.callback(self.turn.give_back)
        try:
            damage.refuse_when_lost(Path(settings.data.dir))
            self._content = connect(settings.data.content_db)
            self._open.callback(self._content.close)
            migrations.migrate(self._content)
            self.ledger = Ledger(settings.data.ledger_db)
            self._open.callback(self.ledger.close)
            self.objects = Objects(settings.data.build_dir)
            self._open.callback(self.objects.close)
        except BaseException:
            self._open.close()
            raise

    def __enter__(self) -> Plant:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def behind(self) -> int:
        """How many changes are not built yet."""
        return log.head(self._content) - self.ledger.cursor()

    def builder(self) -> Builder:
        """The builder of the site."""
        settings = self.settings
        site = Site(
            title=settings.site.title, language=settings.site.language, url=settings.site.url,
            offline=settings.site.offline, indexnow=settings.site.indexnow_key,
        )  # fmt: skip
        begin_epoch_if_back(settings.data.content_db, self.ledger)
        builder = Builder(
            settings.data.content_db, self.ledger, self.objects, site, build_dir=settings.data.build_dir,
            workers=settings.build.workers, signer=Signing(Path(settings.data.dir, "keys")),
        )  # fmt: skip
        self._open.callback(builder.close)
        return builder

    def regions(self, names: Sequence[str] = ()) -> tuple[Region, ...]:
        """The targets of the settings in rollout order, or those called `names`."""
        return regions(self.settings, names)

    def pusher(self, region: Region | None = None, cap: Cap = USUAL, *, comes_back: bool = False) -> Pusher:
        """A pusher to a region, the first of the settings when None, that removes at most so much at once.

        Who does not come back to try again waits for the lease of one that died.
        """
        where = self.regions()[0] if region is None else region
        target = bucket(where)
        lease = Lease(
            target, self.ledger.holder(_mark()), _mark, seconds=where.lease_seconds,
            is_required=where.unconditional == "refuse", wait=None if comes_back else time.sleep,
        )  # fmt: skip
        fitness = Fitness(target, where.place, _mark, must_fence=where.unconditional == "refuse")
        pusher = Pusher(
            self.ledger, self.objects, target, lease=lease, fitness=fitness, tries=TRIES, concurrency=where.concurrency,
            purging=where.cdn.kind != "none", place=where.place, cap=cap,
            require_past=partial(require_past, self.settings.data.content_db, target, self.objects),
        )  # fmt: skip
        self._open.callback(pusher.close)
        return pusher

    def purges(self) -> dict[str, Purges]:
        """What each target owes its CDN, by the target's name; targets without a CDN owe nothing."""
        with_cdn = (region for region in self.regions() if region.cdn.kind != "none")
        return {region.name: self.ledger.purges(region.name, self._cdn(region)) for region in with_cdn}

    def worker(self) -> tuple[worker.Worker, Callable[[Round], None]]:
        """The worker that builds the site and pushes it to every target, and what is to be told of its rounds.

        The courier of webhooks is at work from now on.
        """
        from publisher.monitoring import WorkerMetrics
        from publisher.reporting import Reporter

        data, every = self.settings.data, self.regions()
        pushers = [self.pusher(region, comes_back=True) for region in every]
        metrics = WorkerMetrics(data.dir)
        reporter = Reporter(data.content_db, self.ledger, pushers, metrics, clock=worker.now)
        self._open.callback(reporter.close)
        courier = self.courier(metrics)
        self._open.callback(courier.close)
        courier.start()

        announcer = self.announcer(metrics)
        if announcer is not None:
            self._open.callback(announcer.close)
            announcer.start()
        tracer = self.tracer()

        def on_round(done: Round) -> None:
            reporter(done)
            courier.nudge()
            if tracer is not None:
                tracer.turn()

        pairs = list(zip(every, pushers, strict=True))
        probes = [self.probe(region, pusher) for region, pusher in pairs if region.probe_url]
        purgers = [self.purger(region, pusher) for region, pusher in pairs if region.cdn.kind != "none"]
        builder = self.builder()
        made = worker.Worker(
            builder, pushers, data.content_db, probes=probes, purgers=purgers, errands=self.errands(builder),
            turn=self.turn, seen_seconds={region.name: region.seen_seconds for region in every},
            tidy=partial(collect, self.garbage(pushers)),
        )  # fmt: skip
        made.rollout.told = courier.nudge
        return made, on_round

    def tracer(self) -> Tracer | None:
        """Who tells of publishes by OpenTelemetry; None when the settings want nobody told."""
        if not self.settings.traces.endpoint:
            return None
        from publisher import tracing

        sink = tracing.sink(self.settings.traces.endpoint, "publisher-worker")
        self._open.callback(sink.close)
        db, receipts = connect(self.settings.data.content_db, readonly=True), Receipts(self.settings.data.ledger_db)
        self._open.callback(db.close)
        self._open.callback(receipts.close)
        return tracing.Tracer(db, receipts, sink)

    def garbage(self, pushers: Sequence[Pusher]) -> Garbage:
        """Who collects what nobody can need any more from these pushers' targets and from the build store."""
        return Garbage(self.ledger, self.objects, pushers, clock=worker.now)

    def errands(self, builder: Builder) -> Errands:
        """Who does the jobs that the worker is asked to do."""
        data = self.settings.data
        jobs = Jobs(data.jobs_db)
        self._open.callback(jobs.close)
        errands = Errands(jobs, builder, data_dir=data.dir, ledger_db=data.ledger_db, build_dir=data.build_dir)
        self._open.callback(errands.close)
        return errands

    def purger(self, region: Region, pusher: Pusher) -> Purger:
        """The purger of a target, which begins with what an earlier worker did not live to settle."""
        purger = Purger(region.name, self._cdn(region), self.settings.data.ledger_db, clock=worker.now)
        self._open.callback(purger.close)
        purger.expect(pusher.delivered())
        return purger

    def _cdn(self, region: Region) -> Cdn:
        from publisher import cdns

        settings = self.settings
        return cdns.chosen(region.cdn, settings.site.url, region.name if region in settings.targets else "")

    def announcer(self, metrics: WorkerMetrics) -> Announcer | None:
        """Who tells search engines what changed; None where the settings have no key for that."""
        site = self.settings.site
        if not site.indexnow_key:
            return None
        from publisher.delivery.indexnow import Announcer, Endpoint

        endpoint = Endpoint(url=site.indexnow_url, key=site.indexnow_key, site_url=site.url.rstrip("/"))
        return Announcer(endpoint, self.settings.data.ledger_db, clock=worker.now, count=metrics.announced)

    def courier(self, metrics: WorkerMetrics) -> Courier:
        """The courier that tells webhooks of publishes."""
        data = self.settings.data
        return Courier(
            data.content_db, data.ledger_db, self.settings.site.url, clock=worker.now,
            allowed=self.settings.webhooks.hosts,
            count=lambda outcome: metrics.webhook_attempts.labels(outcome).inc(),
        )  # fmt: skip

    def probe(self, region: Region, pusher: Pusher) -> Probe:
        """The probe of a target, which begins with what an earlier worker did not live to see."""
        probe = Probe(region.name, region.probe_url, self.settings.data.ledger_db, clock=worker.now)
        self._open.callback(probe.close)
        if probe.is_behind(pusher.delivered()):
            probe.expect(
                pusher.delivered(),
                [Expected(*pointer) for pointer in Holdings(self.ledger.connection, region.name).pointers()],
            )
        return probe
