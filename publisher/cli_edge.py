"""`publisher edge`: the configuration of an edge of your own."""

from __future__ import annotations

from typing import Literal

import click

from publisher.edges import bunny, caddy, cloudfront, nginx, varnish

Kind = Literal["nginx", "varnish", "caddy", "cloudfront", "bunny"]


@click.group(name="edge")
def group() -> None:
    """Servers of your own before the bucket, instead of a CDN of somebody else."""


@group.command()
@click.argument("kind", type=click.Choice(["nginx", "varnish", "caddy", "cloudfront", "bunny"]))
@click.option(
    "--store", default="127.0.0.1:8333", metavar="HOST:PORT", show_default=True,
    help="The S3 store, over HTTP; or, with nginx, https://HOST.",
)  # fmt: skip
@click.option("--bucket", default="content", show_default=True, help="The bucket, which anyone may read.")
@click.option("--listen", default="", metavar="ADDRESS", help="Where to listen.  [default: 80; 8080 for Caddy]")
@click.option(
    "--purger", "purgers", multiple=True, metavar="ADDRESS",
    help="Who may make it forget (nginx, Varnish); several times for several.  [default: 127.0.0.1]",
)  # fmt: skip
@click.option("--no-brotli", is_flag=True, help="Leave Brotli out (nginx without its module).")
def config(kind: Kind, store: str, bucket: str, listen: str, purgers: tuple[str, ...], no_brotli: bool) -> None:
    """Print the configuration of an edge before the bucket.

    nginx needs Debian's packages nginx, libnginx-mod-http-cache-purge and, for Brotli, libnginx-mod-http-brotli-filter.
    Varnish listens where its -a option says. For CloudFront it is a CloudFormation template that makes all that the
    site needs on AWS, for Bunny the script of its pull zone; they take none of these options (docs/aws.md,
    docs/providers.md).

    \b
    Examples:
      publisher edge config nginx --store 10.0.0.5:8333 --purger 10.0.0.2 > /etc/nginx/nginx.conf
      publisher edge config nginx --store https://nyc3.digitaloceanspaces.com --bucket reviews
      publisher edge config varnish --store 10.0.0.5:8333 > /etc/varnish/default.vcl
      publisher edge config cloudfront > template.yaml
    """
    click.echo(text(kind, store, bucket, listen, purgers or ("127.0.0.1",), brotli=not no_brotli), nl=False)


def text(
    kind: Kind,
    store: str,
    bucket: str,
    listen: str = "",
    purgers: tuple[str, ...] = ("127.0.0.1",),
    *,
    brotli: bool = True,
) -> str:
    """The configuration of one kind of edge."""
    if "://" in store and kind in ("varnish", "caddy"):
        raise click.UsageError(f"{kind} asks a store over HTTP only: give HOST:PORT, or take nginx for one over HTTPS")
    if kind == "nginx":
        return nginx.configuration(store, bucket, nginx.Nginx(listen=listen or "80", purgers=purgers, brotli=brotli))
    if kind == "varnish":
        return varnish.configuration(store, bucket, purgers=purgers)
    if kind == "cloudfront":
        return cloudfront.template()
    if kind == "bunny":
        return bunny.script()
    return caddy.caddyfile(int(listen or 8080), store, bucket)


COMMANDS = (group,)
