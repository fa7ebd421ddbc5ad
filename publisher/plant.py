"""The parts that a root puts together: from settings to a builder, a pusher, a worker.

What brings the libraries of stores and networks is imported where it is made: a build needs none of them, and is
spared a fifth of a second and 13 MB.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from publisher import worker
from publisher.builder import Builder
from publisher.bundler import begin_epoch_if_back
from publisher.content import log, migrations
from publisher.content.database import connect
from publisher.delivery.ledger import Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.probe import Expected, Probe
from publisher.delivery.purges import Purges
from publisher.delivery.purging import Purger
from publisher.delivery.push import Pusher
from publisher.delivery.targets import Target
from publisher.errands import Errands
from publisher.errors import SettingsError
from publisher.jobs import Jobs
from publisher.settings import Settings
from publisher.signing import Signing
from publisher.site.pages import Site
from publisher.turns import Turn
from publisher.webhooks.courier import Courier
from publisher.worker import Round

if TYPE_CHECKING:
    from publisher.delivery.s3 import S3
    from publisher.monitoring import WorkerMetrics


def target_name(settings: Settings) -> str:
    """The name under which the ledger knows the bucket of the settings: another bucket is another target.

    The port of a store on this machine is no part of it: the embedded stack may have to choose another one.
    """
    store = urlsplit(settings.s3.endpoint)
    host = "local" if store.hostname in ("127.0.0.1", "localhost", "::1") else store.netloc or "aws"
    return f"{settings.s3.bucket}@{host}"


def target_names(settings: Settings) -> list[str]:
    """The names of all targets of the settings, in their order."""
    return [target_name(settings)]


def bucket(settings: Settings) -> S3:
    """The bucket of the settings; SettingsError when none is named."""
    if not settings.s3.bucket:
        raise SettingsError(
            "no bucket is set: give S3_BUCKET (and S3_ENDPOINT unless it is on AWS), or start the embedded stack with"
            " `publisher up`"
        )
    from publisher.delivery.s3 import S3

    s3 = settings.s3
    return S3(
        s3.bucket, endpoint=s3.endpoint, region=s3.region, access_key=s3.access_key, secret_key=s3.secret_key,
        name=target_name(settings),
    )  # fmt: skip


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
        site = Site(title=settings.site.title, language=settings.site.language, url=settings.site.url)
        begin_epoch_if_back(settings.data.content_db, self.ledger)
        builder = Builder(
            settings.data.content_db, self.ledger, self.objects, site, build_dir=settings.data.build_dir,
            workers=settings.build.workers, signer=Signing(Path(settings.data.dir, "keys")),
        )  # fmt: skip
        self._open.callback(builder.close)
        return builder

    def pusher(self, target: Target | None = None) -> Pusher:
        """A pusher to `target`, the bucket of the settings when None."""
        where = bucket(self.settings) if target is None else target
        purging = target is None and self.settings.cdn.kind != "none"
        pusher = Pusher(self.ledger, self.objects, where, concurrency=self.settings.s3.concurrency, purging=purging)
        self._open.callback(pusher.close)
        return pusher

    def pushers(self) -> list[Pusher]:
        """A pusher to each target of the settings, in their order."""
        return [self.pusher()]

    def purges(self) -> dict[str, Purges]:
        """What each target owes its CDN, by the target's name; targets without a CDN owe nothing."""
        if self.settings.cdn.kind == "none":
            return {}
        from publisher import cdns

        name, cdn = target_name(self.settings), cdns.chosen(self.settings.cdn, self.settings.site.url)
        return {name: self.ledger.purges(name, cdn)}

    def worker(self) -> tuple[worker.Worker, Callable[[Round], None]]:
        """The worker that builds the site and pushes it to the bucket, and what is to be told of its rounds.

        The courier of webhooks is at work from now on.
        """
        from publisher.monitoring import WorkerMetrics
        from publisher.reporting import Reporter

        data, pushers = self.settings.data, self.pushers()
        metrics = WorkerMetrics(data.dir)
        reporter = Reporter(data.content_db, self.ledger, pushers, metrics, clock=worker.now)
        self._open.callback(reporter.close)
        courier = self.courier(metrics)
        self._open.callback(courier.close)
        courier.start()

        def on_round(done: Round) -> None:
            reporter(done)
            courier.nudge()

        probes = [self.probe(pusher) for pusher in pushers] if self.settings.s3.probe_url else []
        purgers = [self.purger(pusher) for pusher in pushers] if self.settings.cdn.kind != "none" else []
        builder = self.builder()
        made = worker.Worker(
            builder, pushers, data.content_db, probes=probes, purgers=purgers, errands=self.errands(builder),
            turn=self.turn,
        )  # fmt: skip
        return made, on_round

    def errands(self, builder: Builder) -> Errands:
        """Who does the jobs that the worker is asked to do."""
        data = self.settings.data
        jobs = Jobs(data.jobs_db)
        self._open.callback(jobs.close)
        errands = Errands(jobs, builder, data_dir=data.dir, ledger_db=data.ledger_db, build_dir=data.build_dir)
        self._open.callback(errands.close)
        return errands

    def purger(self, pusher: Pusher) -> Purger:
        """The purger of a target, which begins with what an earlier worker did not live to settle."""
        from publisher import cdns

        name, settings = pusher.target_name, self.settings
        purger = Purger(name, cdns.chosen(settings.cdn, settings.site.url), settings.data.ledger_db, clock=worker.now)
        self._open.callback(purger.close)
        purger.expect(pusher.delivered())
        return purger

    def courier(self, metrics: WorkerMetrics) -> Courier:
        """The courier that tells webhooks of publishes."""
        data = self.settings.data
        return Courier(
            data.content_db, data.ledger_db, self.settings.site.url, clock=worker.now,
            allowed=self.settings.webhooks.hosts,
            count=lambda outcome: metrics.webhook_attempts.labels(outcome).inc(),
        )  # fmt: skip

    def probe(self, pusher: Pusher) -> Probe:
        """The probe of a target, which begins with what an earlier worker did not live to see."""
        name, settings = pusher.target_name, self.settings
        probe = Probe(name, settings.s3.probe_url, settings.data.ledger_db, clock=worker.now)
        self._open.callback(probe.close)
        if probe.is_behind(pusher.delivered()):
            probe.expect(pusher.delivered(), [Expected(*pointer) for pointer in self.ledger.pointers(name)])
        return probe
