"""`publisher takedown`: remove a review from everywhere, and say so in a signed certificate."""

from __future__ import annotations

import getpass
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path

import click
import msgspec

from publisher import local, turns, worker
from publisher.cli_publish import as_json, emit
from publisher.content import database, takedowns
from publisher.delivery import export as exporting
from publisher.delivery.caps import Cap
from publisher.errands import FOLDER as EXPORT
from publisher.errors import InvalidError, StoreError
from publisher.plant import Plant
from publisher.sandbox import Sandbox
from publisher.settings import Settings
from publisher.signing import Signing
from publisher.takedown import Certificate, Reach, Takedown, united

FOLDER = "takedowns"
TYPE = "takedown+jws"


@click.command(name="takedown")
@click.argument("review")
@click.option("--reason", required=True, help="Why, for the certificate: a court's decision, the author's wish.")
@click.option("--dry-run", is_flag=True, help="Say what there is of the review and what would be removed; do nothing.")
@as_json
@click.pass_obj
def takedown(held: Settings, review: str, reason: str, dry_run: bool, in_json: bool) -> None:
    """Remove REVIEW (its id, slug or address) for good: from every page, bundle and old object of every target, from
    the databases with all its versions, and from what the pages could be rolled back to.

    This cannot be undone. The log still proves itself: it holds digests, and says that the review was taken down.
    Readers are asked at each edge whether they get it no more. A certificate, signed with the key of the site, says
    what was removed where and when; it is written to takedowns/ in the data directory. Ends with 1 when a target could
    not be reached or still shows the review: run it again then, and the certificate tells of both runs.

    \b
    Examples:
      publisher takedown la-luz --reason "the author's wish" --dry-run
      publisher takedown https://reviews.example/reviews/la-luz/ --reason "court of Lima, 12/2026"
    """
    if not reason.strip():
        raise InvalidError("--reason", "say why: it stands in the certificate")
    chosen = local.remembered(held)
    with Plant(chosen, exclusive=not dry_run, patience=turns.PATIENCE_SECONDS) as parts:
        db = database.connect(chosen.data.content_db, readonly=True)
        try:
            review_id = takedowns.find(db, review)
            traces = takedowns.traces(db, review_id)
        finally:
            db.close()
        if dry_run:
            _rehearse(parts, traces, in_json)
            return
        path = Path(chosen.data.dir, FOLDER, f"{review_id}.json")
        earlier = _earlier(path)
        certificate = united(_carry_out(parts, review_id, reason), earlier)
    _write(chosen, certificate, path)
    if in_json:
        emit(certificate)
    else:
        _tell(certificate, path)
    sys.exit(0 if certificate.is_complete else 1)


def _carry_out(parts: Plant, review_id: str, reason: str) -> Certificate:
    settings, owed, sandbox = parts.settings, parts.purges(), Sandbox()
    may_be_last = Cap(allow_empty=True)
    reaches = [Reach(parts.pusher(one, may_be_last), one.probe_url, owed.get(one.name)) for one in parts.regions()]
    garbage = parts.garbage([one.pusher for one in reaches])
    down = Takedown(
        review_id, content_db=settings.data.content_db, ledger=parts.ledger, objects=parts.objects,
        builder=parts.builder(), garbage=garbage, reaches=reaches, clock=worker.now,
    )  # fmt: skip
    try:
        certificate = down.run(
            reason=reason, by=getpass.getuser(), empty=sandbox.render(""), site=settings.site.url,
            backups=_backups(settings, worker.now()),
        )  # fmt: skip
    finally:
        sandbox.close()
    exported = Path(settings.data.dir, EXPORT)
    if exported.is_dir():
        exporting.export(parts.ledger, parts.objects, exported)
    return certificate


def _backups(settings: Settings, at: datetime) -> str:
    until = at + timedelta(days=settings.backup.keep_days)
    return (
        f"backups and archives that were made before {at:%Y-%m-%d %H:%M}Z still hold the review: those that the"
        f" publisher keeps until {until:%Y-%m-%d}, copies elsewhere until they are removed; whoever restores one takes"
        " the review down again"
    )


def _earlier(path: Path) -> Certificate | None:
    """The certificate of an earlier run of the same takedown; read before anything is done, so that it is not lost."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Certificate)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise StoreError(
            f"the certificate of an earlier run cannot be read ({error}); nothing was done. Put {path} aside, and run"
            " this again"
        ) from error


def _write(settings: Settings, certificate: Certificate, path: Path) -> None:
    """Write a certificate, and its signed form beside it; that of an earlier run is replaced."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    body = msgspec.json.format(msgspec.json.encode(certificate))
    signing = Signing(Path(settings.data.dir, "keys"))
    _put(path.with_suffix(".jws"), signing.sign(body, certificate.finished_at, TYPE))
    _put(path, body)


def _put(path: Path, body: bytes) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _rehearse(parts: Plant, traces: takedowns.Traces, in_json: bool) -> None:
    garbage = parts.garbage([])
    outdated = {region.name: len(garbage.outdated(region.name)) for region in parts.regions()}
    if in_json:
        emit({"review": traces, "old_objects": outdated})
        return
    click.echo(f"review {traces.review_id}{' (taken down already)' if traces.is_taken_down else ''}")
    for slug in traces.slugs:
        click.echo(f"  /reviews/{slug}/")
    click.echo(
        f"  {traces.revisions:,} versions, {traces.texts:,} texts, {traces.replies:,} kept answers and"
        f" {traces.notices:,} notices would be redacted or removed"
    )
    for other in traces.sharing:
        click.echo(f"  review {other} says the very same text in some version: it would stay")
    for name, count in outdated.items():
        click.echo(
            f"  {name}: {count:,} old bundles at least would be removed, and all that the review is in made anew"
        )
    click.echo("the pages could then be rolled back to no release of before; nothing was done", err=True)


def _tell(certificate: Certificate, path: Path) -> None:
    for place in certificate.targets:
        if place.failure:
            click.echo(f"{place.target}: {place.failure}", err=True)
            continue
        click.echo(
            f"{place.target}: {len(place.pages):,} pages are gone, {len(place.rewritten):,} made without it,"
            f" {len(place.objects):,} old objects removed, {place.checked:,} addresses asked for at the edge"
        )
        for why in place.unseen:
            click.echo(f"{place.target}: {why}", err=True)
        if place.unpurged:
            click.echo(f"{place.target}: {place.unpurged:,} purges are still owed", err=True)
    for name in certificate.elsewhere:
        click.secho(
            f"{name} is not in the settings any more, and may hold the review: put it back and run this again, or empty"
            " its bucket", err=True, fg="yellow",
        )  # fmt: skip
    for why in certificate.unscrubbed:
        click.echo(why, err=True)
    for other in certificate.shared_text:
        click.echo(f"review {other} says the very same text; take it down too, if it must go", err=True)
    click.echo(certificate.backups)
    what = "certificate" if certificate.is_complete else "not complete, run it again; certificate so far"
    click.echo(f"{what}: {path} (signed: {path.with_suffix('.jws').name})")


COMMANDS = (takedown,)
