"""Edges of our own in front of a bucket: the configuration of Caddy, nginx and Varnish, made from one set of rules.

Pure text. Whatever the edge, the addresses are the same: `…/` is the key `…/index.html`, `/content` is
`content/index.json`, a folder without its slash is a redirect, a query never chooses another object, and what is
missing is a page with the status 404. A CDN of somebody else does the same work in its own language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types portal"
)
DOCUMENT = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""For what a browser shows as a document, HTML and SVG: nothing but the site's own files, no code in a page or made of
text (Trusted Types know one policy, which names the service worker), no window of another site that holds this one."""

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
"""On every answer. All of it is public and made to be shown elsewhere too: documents to apps, assets to previews (which
come from the address of the API), drawings to whoever links to a page; pages themselves let nobody frame them."""
METHODS = "GET, HEAD, OPTIONS"
READ_BY_OTHERS = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "ETag"}
"""On what apps of other origins may read: /content, /content/…, /.well-known/…"""
PREFLIGHT = {
    "Access-Control-Allow-Methods": METHODS,
    "Access-Control-Allow-Headers": "If-None-Match, Range",
    "Access-Control-Max-Age": "86400",
}

MISSING_FOR = "public, max-age=30"
"""Cache-Control of what is missing."""
MOVED_FOR = "public, max-age=300"
"""Cache-Control of a redirect to the address with its slash."""

CROOKED = r"^[^?]*(//|/(\.|%2e){1,2}(/|\?|$)|/(\.|%2e)publisher/|%2f|%5c|%00|\\)"
"""Request lines that leave the bucket, hide what they ask for, or ask for the publisher's own; in any case."""

COMPRESSED = (
    "text/html", "text/css", "text/javascript", "text/plain", "application/json", "application/feed+json",
    "application/manifest+json", "application/xml", "application/atom+xml", "image/svg+xml",
)  # fmt: skip
"""Types that are worth compressing: the site's own (`publisher.site.artifact`)."""

OF_THE_STORE = (
    "x-amz-request-id", "x-amz-id-2", "x-amz-version-id", "x-amz-meta-cache-tag", "x-amz-server-side-encryption",
    "x-amz-storage-class", "x-amz-replication-status", "x-amz-expiration", "x-amz-bucket-region", "seaweed-x-amz-etag",
    "seaweed-x-amz-owner",
)  # fmt: skip
"""What S3 stores say of themselves, which readers need not know."""


def of_path(rule: str) -> str:
    """A rule of request lines as a literal of JavaScript for paths: there the query is apart, and no slash is bare."""
    return "/" + rule.replace("[^?]*", ".*").replace(r"\?|", "").replace("/", r"\/") + "/i"


def filled(template: str, words: Mapping[str, str]) -> str:
    """`template` with each `@NAME@` replaced; KeyError for a name without a word."""
    return re.sub(r"@([A-Z_]+)@", lambda found: words[found[1]], template.lstrip())
