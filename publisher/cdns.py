"""Which CDN the settings mean."""

from __future__ import annotations

from urllib.parse import urlsplit

from publisher.delivery.cdn import Cdn
from publisher.delivery.cdn.bunny import API as BUNNY
from publisher.delivery.cdn.bunny import Bunny
from publisher.delivery.cdn.cloudflare import API as CLOUDFLARE
from publisher.delivery.cdn.cloudflare import Cloudflare
from publisher.delivery.cdn.cloudfront import CloudFront
from publisher.delivery.cdn.fastly import API as FASTLY
from publisher.delivery.cdn.fastly import Fastly
from publisher.delivery.cdn.proxies import Nginx, Varnish
from publisher.errors import SettingsError
from publisher.settings import Cdn as Chosen


def chosen(settings: Chosen, site_url: str, target: str = "") -> Cdn:
    """The adapter of the CDN before a site at `site_url`; SettingsError that names what is missing (at `target`)."""
    hosted = dict.fromkeys(("cloudflare", "fastly", "bunny"), ("site", "token")) | {"cloudfront": ("site",)}
    for name in hosted.get(settings.kind, ("edges",)):
        if not getattr(settings, name):
            where = f"cdn.{name} of target {target}" if target else f"CDN_{name.upper()} ([cdn] {name})"
            raise SettingsError(f"a CDN of kind {settings.kind} needs {where}")
    match settings.kind:
        case "cloudfront":
            return CloudFront(settings.site, endpoint=settings.api)
        case "cloudflare":
            return Cloudflare(settings.site, settings.token, site_url, api=settings.api or CLOUDFLARE)
        case "fastly":
            return Fastly(settings.site, settings.token, api=settings.api or FASTLY)
        case "bunny":
            return Bunny(settings.site, settings.token, site_url, api=settings.api or BUNNY)
    host, edges = urlsplit(site_url).netloc, settings.edges.split()
    return Nginx(edges, host) if settings.kind == "nginx" else Varnish(edges, host)
