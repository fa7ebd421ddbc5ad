"""The application: opens the store and puts the parts together; the server starts it as `api.app:from_environment`."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from litestar import Litestar, Request, Response, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, Contact, License, SecurityScheme, Tag

from api import docs, document, room, short_way
from api.auth import Tokens
from api.ending import told_of_signals
from api.gauges import Stores
from api.importing import Desk
from api.keys import Ring
from api.metrics import Metrics
from api.newsroom import Newsroom
from api.observer import Observer
from api.previews import Previews
from api.problems import HANDLERS
from api.routes import (
    audit,
    auth,
    editors,
    imports,
    jobs,
    monitoring,
    moves,
    previews,
    product_revisions,
    products,
    publishes,
    reviews,
    revisions,
    system,
    webhooks,
)
from api.scribe import Scribe
from api.shell import Application
from api.short_way import ShortWay
from api.wire import Addresses
from api.works import Works
from publisher import logs, sandbox, settings, tracing
from publisher.content import hint
from publisher.delivery.receipts import Receipts
from publisher.settings import Settings

VERSION = "1.0.0"
DESCRIPTION = (
    "Editors write reviews of cameras and lenses here; readers never come here, they load the static portal. "
    "Sign in with `POST /auth/token`, then send the token as `Authorization: Bearer …`. Every answer carries "
    "`X-Request-Id`, and so does the change log."
)


def from_environment() -> Litestar:
    """The application as the environment sets it."""
    chosen = settings.load(os.environ)
    logs.setup(chosen.logs.format, chosen.logs.level)
    app = create_app(chosen)
    gc.collect()
    gc.freeze()  # 70,000 objects that stay: looking through them held up every request for 40 ms, again and again
    return app


def create_app(settings: Settings) -> Litestar:
    """The application. The store is opened when it starts and closed when it stops."""
    metrics = Metrics()
    traces = tracing.sink(settings.traces.endpoint, "publisher-api") if settings.traces.endpoint else None

    @asynccontextmanager
    async def open_newsroom(app: Litestar) -> AsyncIterator[None]:
        newsroom = _newsroom(settings, metrics)
        app.state["newsroom"] = newsroom
        application = cast(Application, app)
        application.short_path, application.short = short_way.PATH, ShortWay(newsroom, settings.api.max_body).answer
        try:
            with told_of_signals(newsroom.end):
                yield
        finally:
            await newsroom.end_streams()
            await asyncio.to_thread(newsroom.close)
            if traces is not None:
                traces.close()

    app = Application(
        route_handlers=[
            system.router, monitoring.router, auth.router, reviews.router, moves.router, revisions.router,
            previews.router, products.router, product_revisions.router, editors.router, imports.router, jobs.router,
            publishes.router, audit.router, webhooks.router,
            openapi_document,
        ],
        lifespan=[open_newsroom],
        exception_handlers=HANDLERS,
        before_request=room.look,
        request_max_body_size=settings.api.max_body,
        logging_config=None,
        openapi_config=_openapi(settings),
    )  # fmt: skip
    app.state["title"] = settings.site.title
    layout = settings.logs.format if settings.logs.level in ("debug", "info") else None
    app.observe = Observer(metrics, layout, traces)
    return app


@get("/openapi.json", include_in_schema=False)
async def openapi_document(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The OpenAPI document, for tools."""
    headers = {"Access-Control-Allow-Origin": "*"}
    return Response(document.encoded(request.app), media_type="application/json", headers=headers)


def _newsroom(settings: Settings, metrics: Metrics) -> Newsroom:
    data_dir, base = Path(settings.data.dir), settings.site.url.rstrip("/")
    data_dir.mkdir(parents=True, exist_ok=True)
    signing = Ring(data_dir / "keys")
    wake = hint.Hint(hint.path(data_dir))
    writer = Scribe(settings.data.content_db, hint=hint.path(data_dir), imports=__name__, measure=metrics.committed)
    renderer = sandbox.Sandbox()
    addresses = Addresses(base)
    desk = Desk(
        writer=writer, render=renderer.render, wake=wake, addresses=addresses, language=settings.site.language,
        largest=settings.api.max_body,
    )  # fmt: skip
    newsroom = Newsroom(
        data_dir=data_dir,
        content_db=settings.data.content_db,
        writer=writer,
        wake=wake,
        renderer=renderer,
        is_small=sandbox.is_small,
        keys=signing,
        tokens=Tokens(signing, issuer=base, life=timedelta(minutes=settings.api.token_minutes)),
        addresses=addresses,
        language=settings.site.language,
        receipts=Receipts(settings.data.ledger_db),
        works=Works(settings.data.jobs_db, data_dir / "imports", desk, largest=settings.api.max_import),
        metrics=metrics,
        metrics_token=settings.metrics.token,
        low_water=settings.data.low_water,
        webhook_hosts=settings.webhooks.hosts,
        previews=Previews(title=settings.site.title, language=settings.site.language, url=base),
        address=settings.api.url.rstrip("/"),
        proxies=settings.api.trusted,
    )
    metrics.add(Stores(newsroom))
    return newsroom


def _openapi(settings: Settings) -> OpenAPIConfig:
    scheme = SecurityScheme(
        type="http", scheme="bearer", bearer_format="JWT", description="POST /auth/token gives one."
    )
    return OpenAPIConfig(
        title=f"{settings.site.title} · write API",
        version=VERSION,
        description=DESCRIPTION,
        contact=Contact(name=settings.site.title, url=settings.site.url),
        license=License(name="MIT", identifier="MIT"),
        components=Components(security_schemes={"bearer": scheme}),
        tags=[
            Tag("auth", "Signing in, staying signed in, signing out."),
            Tag("reviews", "What editors write."),
            Tag("publishes", "How far what was written has come on its way to the readers."),
            Tag("jobs", "Long work: imports, rebuilds, exports."),
            Tag("products", "The cameras and lenses that reviews are about."),
            Tag("editors", "Accounts: your own, and for administrators everybody's."),
            Tag("audit", "Who did what, when."),
            Tag("webhooks", "Addresses that are told of publishes and of failures."),
            Tag("system", "Where things are, and whether all is well."),
        ],
        use_handler_docstrings=False,
        render_plugins=[docs.Page(), document.Document()],
        openapi_router=docs.router(),
    )
