"""`publisher up`: the embedded stack, ready to use, with its addresses."""

from __future__ import annotations

import errno
import http.client
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec
from rich.console import Console

from publisher import damage, local, privileges
from publisher.cli_output import console
from publisher.content import catalogue, database, editors, effects, log
from publisher.content.model import Role
from publisher.content.writer import Writer
from publisher.delivery import halts
from publisher.delivery.journal import Connection
from publisher.delivery.ledger import Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.receipts import trouble
from publisher.errors import DamagedError, DivergedError, EmptySiteError, StackError, TooManyDeletesError
from publisher.jobs import Jobs
from publisher.settings import Settings

READY_SECONDS = 120.0
_ASKING = frozenset(error.code for error in (EmptySiteError, TooManyDeletesError, DivergedError))
"""Codes of refusals that last until somebody says that a push is meant."""


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything is: what `publisher up --json` prints."""

    edge: str
    api: str
    s3: str
    bucket: str
    admin_email: str
    admin_password: str | None
    data_dir: str


class _Head(msgspec.Struct):
    epoch: int = -1
    version: int = -1


@click.command()
@click.option("--data-dir", metavar="DIR", help="Folder of the databases, the store and the rendered site.")
@click.option("--edge-port", type=click.IntRange(0, 65535), help="Port of the portal; 0 picks a free one.")
@click.option("--api-port", type=click.IntRange(0, 65535), help="Port of the write API; 0 picks a free one.")
@click.option("--s3-port", type=click.IntRange(0, 65535), help="Port of the S3 store; 0 picks a free one.")
@click.option("--json", "in_json", is_flag=True, help="Print one line of JSON when all is ready.")
@click.pass_context
def up(
    ctx: click.Context,
    data_dir: str | None,
    edge_port: int | None,
    api_port: int | None,
    s3_port: int | None,
    in_json: bool,
) -> None:
    """Start the whole stack on this machine: S3 store, edge, write API and worker.

    The first start makes an administrator, whose password is shown once, and imports the catalogue of cameras and
    lenses. A later start goes on where the last one ended. Ctrl-C ends everything.

    \b
    Examples:
      publisher up
      publisher up --data-dir /srv/reviews --edge-port 80
      publisher up --edge-port 0 --api-port 0 --s3-port 0 --json
    """
    chosen = _with_flags(ctx.obj, data_dir, edge_port, api_port, s3_port)
    say = console()
    ports = (chosen.stack.edge_port, chosen.api.port, chosen.stack.s3_port)
    decided = privileges.act_as_owner(Path(chosen.data.dir), ports)
    if decided.why:
        say.print(f"publisher: {decided.why}", style="yellow", markup=False, soft_wrap=True)
    ctx.find_root().obj = chosen  # what went wrong is explained by these
    stop = _stop_by_signal()
    damage.refuse_when_lost(Path(chosen.data.dir))
    require_writable(chosen)
    fill_catalogue(chosen, say)
    open_derived(chosen)
    stack = local.Stack(chosen, announce=lambda line: say.print(line, soft_wrap=True))
    stack.stop_event = stop
    with stack:
        why = wait_until_published(stack.settings, stop, stack.given_up)
        if why:
            say.print(f"publisher: readers get an older state: {why}", style="yellow", markup=False, soft_wrap=True)
        if not stop.is_set():
            _welcome(stack.settings, in_json=in_json)
            stack.wait()
    say.print("stopped")


def _stop_by_signal() -> threading.Event:
    """Set by Ctrl-C and SIGTERM, which are answered at once: to end all children can take some seconds."""
    stop = threading.Event()

    def ended(*_: object) -> None:
        if not stop.is_set():
            os.write(sys.stderr.fileno(), b"stopping\n")  # what is printed just now may be half printed
        stop.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, ended)
    return stop


def _welcome(chosen: Settings, *, in_json: bool) -> None:
    """Say where everything is, and the password of an administrator who was made just now."""
    email, password = first_administrator(chosen)
    ready = _ready(chosen, email, password)
    if in_json:
        click.echo(msgspec.json.encode(ready).decode())
    else:
        _show(ready)


def _with_flags(
    held: Settings, data_dir: str | None, edge_port: int | None, api_port: int | None, s3_port: int | None
) -> Settings:
    replace = msgspec.structs.replace
    data, stack, api = held.data, held.stack, held.api
    if data_dir is not None:
        data = replace(data, dir=data_dir)
    data = replace(data, dir=str(Path(data.dir).absolute()))
    if edge_port is not None:
        stack = replace(stack, edge_port=edge_port)
    if s3_port is not None:
        stack = replace(stack, s3_port=s3_port)
    if api_port is not None:
        api = replace(api, port=api_port)
    return replace(held, data=data, stack=stack, api=api)


def fill_catalogue(chosen: Settings, say: Console) -> None:
    """Import the cameras and lenses that everyone knows, unless they are there."""
    with Writer(chosen.data.content_db) as writer:
        added = catalogue.load(writer).added
    if added:
        say.print(f"catalogue: {added:,} cameras and lenses")


def require_writable(chosen: Settings) -> None:
    """PermissionError for a database, or a folder, that may not be written: each child would end by it."""
    data = chosen.data
    for path in (data.content_db, data.ledger_db, data.build_dir / "objects.db", data.jobs_db, Path(data.dir)):
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def open_derived(chosen: Settings) -> None:
    """Open each database once that children will, so that one which cannot be used is said before any is started."""
    Ledger(chosen.data.ledger_db).close()
    Objects(chosen.data.build_dir).close()
    Jobs(chosen.data.jobs_db).close()


def first_administrator(chosen: Settings) -> tuple[str, str | None]:
    """E-mail of the first administrator, and the password when the account was made just now."""
    db = database.connect(chosen.data.content_db, readonly=True)
    try:
        known = editors.first(db, Role.administrator)
    finally:
        db.close()
    if known is not None:
        return known.email, None
    password = editors.generated_password()
    password_hash = editors.hash_password(password)
    with Writer(chosen.data.content_db) as writer:
        editor = writer.run(
            lambda tx: editors.create(
                tx, email=chosen.stack.admin_email, name="Redacción", role=Role.administrator,
                password_hash=password_hash,
            )
        )  # fmt: skip
    return editor.email, password


def wait_until_published(chosen: Settings, stop: threading.Event, given_up: Callable[[], list[str]]) -> str:
    """Return when the edge serves the newest content version: empty, or why an older one has to do for now.

    It has to where the push waits for somebody's word, or takes long: the stack must run for that. Raises DamagedError
    when a part ended for good, and StackError when nothing at all is served in time.
    """
    since, until = datetime.now(UTC), time.monotonic() + READY_SECONDS
    with closing(database.connect(chosen.data.content_db, readonly=True)) as db, _opened(chosen) as ledger:
        while not stop.is_set():
            if words := given_up():
                raise DamagedError(words[0].removeprefix("publisher: "))
            seen = _published_version(chosen.site.url, chosen.stack.edge_port)
            if seen >= (effects.epoch(db), log.content_version(db)):
                return ""
            is_late, why = time.monotonic() > until, _in_the_way(ledger, chosen.regions[0].name, since)
            if seen >= (0, 0) and (why or is_late):
                return why or f"the newest was not published within {READY_SECONDS:.0f} s; {_log(chosen)} says why"
            if is_late:
                raise StackError(f"the site was not published within {READY_SECONDS:.0f} s; {_log(chosen)} says why")
            stop.wait(0.05)
    return ""


@contextmanager
def _opened(chosen: Settings) -> Iterator[Connection]:
    ledger = Ledger(chosen.data.ledger_db)
    try:
        yield ledger.connection
    finally:
        ledger.close()


def _in_the_way(ledger: Connection, target: str, since: datetime) -> str:
    """Why nothing is sent to `target` until somebody says what is meant, as a try after `since` found; else empty."""
    if (halt := halts.of(ledger).get(target)) is not None:
        return f"{target} is halted{f' ({halt.reason})' if halt.reason else ''}; `publisher rollout resume` ends it"
    found = trouble(ledger, target, "uploaded")
    return found.reason if found is not None and found.at >= since and found.code in _ASKING else ""


def _log(chosen: Settings) -> Path:
    return Path(chosen.data.dir, "logs", "worker.log")


def _published_version(url: str, port: int) -> tuple[int, int]:
    """Epoch and version that the edge serves; negative ones when it serves none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/content/sync/head.json", headers={"Host": urlsplit(url).netloc})
        answer = connection.getresponse()
        body = answer.read()
        head = msgspec.json.decode(body, type=_Head) if answer.status == 200 else _Head()
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        head = _Head()
    finally:
        connection.close()
    return head.epoch, head.version


def _ready(chosen: Settings, email: str, password: str | None) -> Ready:
    return Ready(
        edge=f"http://127.0.0.1:{chosen.stack.edge_port}",
        api=f"http://{chosen.api.host}:{chosen.api.port}",
        s3=chosen.s3.endpoint,
        bucket=chosen.s3.bucket,
        admin_email=email,
        admin_password=password,
        data_dir=chosen.data.dir,
    )


def _show(ready: Ready) -> None:
    click.echo()
    click.echo(f"  Portal    {click.style(ready.edge + '/', bold=True)}")
    click.echo(f"  API docs  {ready.api}/docs")
    click.echo(f"  Bucket    {ready.s3}/{ready.bucket}/")
    click.echo(f"  Data      {ready.data_dir}")
    click.echo()
    if ready.admin_password is None:
        click.echo(f"  Administrator {ready.admin_email} (the password was shown at the first start)")
    else:
        click.echo(f"  Administrator {ready.admin_email}")
        click.echo(f"  Password      {click.style(ready.admin_password, bold=True)}   (shown only now; keep it)")
    click.echo()
    click.echo("  Ctrl-C ends everything.")


COMMANDS = (up,)
