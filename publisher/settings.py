"""Settings: ``load(environ, path)`` turns the environment and one optional TOML file into frozen structs.

Precedence: environment over file over default. Each setting has one name: ``SECTION_FIELD`` in the environment
(``SITE_LANGUAGE``) is ``[section] field`` in the file (``[site] language = "es"``). Pure: reads nothing but its
arguments, apart from the named file. ``docs/settings.md`` is generated from these structs.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from publisher.errors import SettingsError
from publisher.sections import Build, Logs, Metrics, Traces, Webhooks

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0, le=3600)]
Language = Literal["es", "pt", "en"]
SECRET = ("access_key", "secret_key", "token", "passphrase")
"""Fields whose values no message shows."""
TARGETS = "TARGETS"
"""The variable that holds the list of targets as JSON."""


class Site(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every page says and in which language."""

    title: Annotated[str, Meta(description="Name of the portal, shown on every page.")] = "RandomCameraReviews"
    language: Annotated[Language, Meta(description="Language of the interface words and dates.")] = "es"
    url: Annotated[
        str, Meta(description="Public base URL of the portal, without a final slash; the embedded stack fills it in.")
    ] = "http://127.0.0.1:8080"
    offline: Annotated[
        bool,
        Meta(
            description="Whether browsers keep what was read, and readers may keep the site. `false` makes every "
            "browser forget what it kept, at its next visit."
        ),
    ] = True
    indexnow_key: Annotated[
        str,
        Meta(
            pattern=r"^([A-Za-z0-9-]{8,128})?$",
            description="By this key, published as `/{key}.txt`, search engines know who tells them of changed pages "
            "(IndexNow): 8 to 128 letters, digits, hyphens of your choice. Empty: none is told.",
        ),
    ] = ""
    indexnow_url: Annotated[
        str, Meta(pattern=r"^https?://\S+$", description="Where they are told; those that take part share it.")
    ] = "https://api.indexnow.org/indexnow"


class Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the databases and the rendered site live."""

    dir: Annotated[str, Meta(description="Folder of content.db, ledger.db and build/.")] = "data"
    low_water: Annotated[
        Positive,
        Meta(description="Free bytes on its disk below which writes that grow are refused (507)."),
    ] = 256_000_000

    @property
    def content_db(self) -> Path:
        """The precious database: reviews, products, editors, revisions, change log."""
        return Path(self.dir) / "content.db"

    @property
    def ledger_db(self) -> Path:
        """The derivable database: what was built and what each target holds."""
        return Path(self.dir) / "ledger.db"

    @property
    def jobs_db(self) -> Path:
        """The long work that was asked for, and what became of it."""
        return Path(self.dir) / "jobs.db"

    @property
    def build_dir(self) -> Path:
        """The content-addressed store of rendered bodies."""
        return Path(self.dir) / "build"


class Cdn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The CDN in front of the bucket, which must forget what a publish replaces."""

    kind: Annotated[
        Literal["none", "cloudfront", "cloudflare", "fastly", "bunny", "nginx", "varnish"],
        Meta(description="Which one it is."),
    ] = "none"
    site: Annotated[
        str,
        Meta(
            description="CloudFront's distribution, Cloudflare's zone, Fastly's service, Bunny's pull zone, by its id."
        ),
    ] = ""
    token: Annotated[
        str,
        Meta(
            description="Token of Cloudflare or Fastly that may purge and nothing else, or Bunny's key; AWS has its "
            "usual chain."
        ),
    ] = ""
    edges: Annotated[
        str, Meta(description="Base URLs of nginx or Varnish edges that are purged, with spaces between.")
    ] = ""
    api: Annotated[str, Meta(description="Base URL of the CDN's own interface, where it is not the usual one.")] = ""


class S3(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bucket that is the read store: the short form for one target, the first where there are others."""

    endpoint: Annotated[str, Meta(description="Endpoint URL of an S3-compatible store; empty for AWS.")] = ""
    bucket: Annotated[str, Meta(description="Name of the bucket.")] = ""
    prefix: Annotated[
        str,
        Meta(
            pattern=r"^([A-Za-z0-9._-]+/)*[A-Za-z0-9._-]*$",
            description="Folder of the bucket that holds the site, such as `site/`; nothing outside of it is touched. "
            "Empty: the whole bucket.",
        ),
    ] = ""
    region: Annotated[str, Meta(description="Region to sign for.")] = "us-east-1"
    profile: Annotated[str, Meta(description="Profile of the AWS configuration to take credentials from.")] = ""
    access_key: Annotated[
        str, Meta(description="Access key; empty to use the usual AWS chain (environment, profile, role).")
    ] = ""
    secret_key: Annotated[str, Meta(description="Secret key that goes with `access_key`.")] = ""
    concurrency: Annotated[Positive, Meta(description="PUTs in flight at once.")] = 16
    connect_seconds: Annotated[Seconds, Meta(description="How long to wait for a connection to the store.")] = 5.0
    request_seconds: Annotated[Seconds, Meta(description="How long one request to the store may take.")] = 30.0
    lease_seconds: Annotated[
        Seconds,
        Meta(
            description="How long a publisher may be silent before another one may take its place; renewed at a third."
        ),
    ] = 30.0
    unconditional: Annotated[
        Literal["single-writer", "refuse"],
        Meta(
            description="What to do with a store that ignores conditions on writes: publish to it all the same, with "
            "nothing but the lock of this data directory against a second publisher, or refuse to."
        ),
    ] = "single-writer"
    probe_url: Annotated[
        str,
        Meta(
            description="Address of the edge in front of this bucket, from which what was pushed is read back; empty: "
            "it is not read back. The embedded stack fills it in."
        ),
    ] = ""
    seen_seconds: Annotated[
        Seconds,
        Meta(
            description="How long the edge may take to show what was pushed; after that the target counts as failing, "
            "and those after it go on without it."
        ),
    ] = 120.0


class Target(S3, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A region: a bucket, and the CDN in front of it. The order in the file is the order of the rollout."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9][a-z0-9-]{0,31}$",
            description="What it is called in commands, receipts and metrics: up to 32 of `a-z`, `0-9` and `-`.",
        ),
    ]
    bucket: Annotated[str, Meta(min_length=3, max_length=63, description="Name of the bucket.")]
    cdn: Annotated[Cdn, Meta(description='As the section `cdn`, for this target: `cdn = {kind = "fastly", …}`.')] = (
        Cdn()
    )

    @property
    def place(self) -> str:
        """Where it is. The port of a store on this machine is no part of it: it may be another at the next start."""
        return f"{_host(self.endpoint)}/{self.bucket}/{self.folder}"

    @property
    def folder(self) -> str:
        """What every key begins with: empty, or ending in a slash."""
        return f"{self.prefix.strip('/')}/" if self.prefix else ""


class Api(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The write API."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port to listen on; 0 picks a free one.")] = 8000
    url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://\S+)?$",
            description="Public base URL of the API, for the links that it gives; empty takes it from each request.",
        ),
    ] = ""
    proxies: Annotated[
        str,
        Meta(
            description="Addresses of the proxies before the API, apart by commas: their X-Forwarded-For says from "
            "where somebody signs in, which failures are counted by. Without it all who come through one are one."
        ),
    ] = ""
    max_body: Annotated[Positive, Meta(description="Largest request body accepted, in bytes.")] = 1_000_000
    max_import: Annotated[
        Positive, Meta(description="Largest body of an import accepted, in bytes; it is kept on disk meanwhile.")
    ] = 500_000_000
    token_minutes: Annotated[int, Meta(ge=1, le=15, description="Life of an access token, in minutes.")] = 15

    @property
    def trusted(self) -> frozenset[str]:
        """The proxies, apart."""
        return frozenset(filter(None, (proxy.strip() for proxy in self.proxies.split(","))))


class Stack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ports of the embedded stack (`publisher up`)."""

    edge_port: Annotated[Port, Meta(description="Port of the edge (Caddy); 0 picks a free one.")] = 8080
    s3_port: Annotated[Port, Meta(description="Port of the S3 store (SeaweedFS); 0 picks a free one.")] = 8333
    admin_email: Annotated[str, Meta(description="E-mail of the first administrator.")] = "admin@example.com"


class Backup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Continuous backup of content.db, to a bucket apart from those of the readers."""

    enabled: Annotated[bool, Meta(description="Whether `publisher up` keeps a backup.")] = True
    bucket: Annotated[
        str, Meta(description="Bucket of the backup, read by nobody else; the embedded stack has one of its own.")
    ] = ""
    prefix: Annotated[str, Meta(min_length=1, description="What its keys begin with.")] = "content"
    endpoint: Annotated[str, Meta(description="Endpoint URL of its store; empty for AWS.")] = ""
    region: Annotated[str, Meta(description="Region to sign for.")] = "us-east-1"
    access_key: Annotated[
        str, Meta(description="Access key; empty to use the usual AWS chain (environment, profile, role).")
    ] = ""
    secret_key: Annotated[str, Meta(description="Secret key that goes with `access_key`.")] = ""
    passphrase: Annotated[
        str,
        Meta(
            pattern=r"^(.{12,})?$",
            description="Encrypts the signing keys in the backup, 12 characters or more; empty: they are not in it.",
        ),
    ] = ""
    sync_seconds: Annotated[Positive, Meta(description="Seconds that a loss of this machine may cost.")] = 1
    snapshot_hours: Annotated[Positive, Meta(description="Hours after which the whole database is sent anew.")] = 24
    keep_days: Annotated[Positive, Meta(description="Days to which the database can be taken back.")] = 30


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings, one struct for each consumer."""

    site: Site = Site()
    data: Data = Data()
    s3: S3 = S3()
    cdn: Cdn = Cdn()
    api: Api = Api()
    stack: Stack = Stack()
    backup: Backup = Backup()
    build: Build = Build()
    metrics: Metrics = Metrics()
    traces: Traces = Traces()
    webhooks: Webhooks = Webhooks()
    logs: Logs = Logs()
    targets: tuple[Target, ...] = ()

    @property
    def regions(self) -> tuple[Target, ...]:
        """Every target, in rollout order: the bucket of the short form when there is one, then those of the list.

        The former is known by its bucket and host, for it has no name.
        """
        if not self.s3.bucket:
            return self.targets
        short = {field: getattr(self.s3, field) for field in self.s3.__struct_fields__}
        first = Target(**short, name=f"{self.s3.bucket}@{_host(self.s3.endpoint)}", cdn=self.cdn)
        return (first, *self.targets)


def _host(endpoint: str) -> str:
    """What names a store: its host and port, `local` for one on this machine, `aws` where no endpoint is given."""
    store = urlsplit(endpoint)
    return "local" if store.hostname in ("127.0.0.1", "localhost", "::1") else store.netloc or "aws"


def load(environ: Mapping[str, str], path: Path | None = None) -> Settings:
    """Read settings from `environ` over the TOML file at `path` over the defaults.

    Raises SettingsError naming the setting that is unknown or out of range. Environment variables that match no
    setting are not ours and are passed over.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = _file(path)
        _checked(values, str(path))
    if TARGETS in environ:
        values["targets"] = _targets(environ[TARGETS])
    for section, field, variable in names():
        if variable in environ:
            try:
                msgspec.convert({section: {field: environ[variable]}}, Settings, strict=False)
            except msgspec.ValidationError as error:
                shown = "…" if field in SECRET else repr(environ[variable])
                raise SettingsError(f"{variable}={shown}: {error}") from error
            values.setdefault(section, {})[field] = environ[variable]
    return msgspec.convert(values, Settings, strict=False)


def _file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error


def _targets(text: str) -> Any:
    try:
        values = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise SettingsError(f"{TARGETS}=…: not a list of targets as JSON: {error}") from error
    _checked({"targets": values}, f"{TARGETS}=…")
    return values


def _checked(values: dict[str, Any], source: str) -> None:
    """Raise SettingsError unless `values` are settings, and every target has a name of its own."""
    try:
        found = msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{source}: {error}") from error
    for number, target in enumerate(found.targets):
        if target.name in [other.name for other in found.targets[:number]]:
            raise SettingsError(f"{source}: two targets are called {target.name!r} - at `$.targets[{number}].name`")


def names() -> Iterator[tuple[str, str, str]]:
    """Every setting of a section as (section, field, environment variable)."""
    for section in msgspec.structs.fields(Settings):
        if section.name != "targets":
            for field in msgspec.structs.fields(section.type):
                yield section.name, field.name, f"{section.name}_{field.name}".upper()


def environment(settings: Settings) -> dict[str, str]:
    """The environment that makes `load` return `settings` again: how a parent hands them to a child process."""
    sections = {variable: str(getattr(getattr(settings, section), field)) for section, field, variable in names()}
    return sections | ({TARGETS: msgspec.json.encode(settings.targets).decode()} if settings.targets else {})
