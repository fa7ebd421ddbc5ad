"""Amazon's edge: a CloudFormation template of bucket, CloudFront, firewall, logs, backups and the publisher's role.

The rules are those of the other edges, said in CloudFront's language: a function (`cloudfront.js`, runtime 2.0)
rewrites addresses before the cache is asked, policies hold the headers, and what the bucket refuses (a missing key is a
403 for who may not list) is the page of the 404.
"""

from __future__ import annotations

import json
from importlib import resources

from publisher.edges import (
    ALWAYS,
    CONTENT_SECURITY_POLICY,
    CROOKED,
    DOCUMENT,
    METHODS,
    MOVED_FOR,
    OF_THE_STORE,
    PREFLIGHT,
    READ_BY_OTHERS,
    filled,
    of_path,
)

_DATA_PATHS = ("/content", "/content/*", "/.well-known/*")
_MANAGED = ("AmazonIpReputationList", "KnownBadInputsRuleSet", "CommonRuleSet")
"""Amazon's own rules; https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html."""
_NOSNIFF, _REFERRER, _POLICY = "X-Content-Type-Options", "Referrer-Policy", "Content-Security-Policy"
"""Headers that CloudFront has a field of its own for."""


def function() -> str:
    """The CloudFront Function that finds the key behind an address."""
    said = {name.lower(): value for name, value in (READ_BY_OTHERS | PREFLIGHT).items()}
    words = {"CROOKED": of_path(CROOKED), "MOVED_FOR": MOVED_FOR, "METHODS": METHODS, "PREFLIGHT": json.dumps(said)}
    return filled(_text("cloudfront.js"), words).rstrip()


def template() -> str:
    """The CloudFormation template, in YAML. CloudFormation takes no aliases, so what stands twice is written twice."""
    words = {
        "FUNCTION": _indented(function(), 8),
        "HEADERS": _headers(),
        "ALLOW_HEADERS": PREFLIGHT["Access-Control-Allow-Headers"],
        "ALLOW_METHODS": METHODS,
        "EXPOSE_HEADERS": READ_BY_OTHERS["Access-Control-Expose-Headers"],
        "MAX_AGE": PREFLIGHT["Access-Control-Max-Age"],
        "PAGES": _behaviour("PageHeaders", 10),
        "DATA": "\n".join(f"          - PathPattern: {path}\n{_behaviour('DataHeaders', 12)}" for path in _DATA_PATHS),
        "MANAGED": "\n".join(_managed(name, priority) for priority, name in enumerate(_MANAGED, 1)),
    }
    return filled(_text("cloudformation.yaml"), words)


def _text(name: str) -> str:
    return resources.files("publisher.edges").joinpath(name).read_text(encoding="utf-8")


def _headers() -> str:
    own = (_NOSNIFF, _REFERRER, _POLICY)
    others = {name: value for name, value in (ALWAYS | DOCUMENT).items() if name not in own}
    custom = [f"    - {{Header: {name}, Value: '{value}', Override: true}}" for name, value in others.items()]
    return _indented(
        "\n".join(
            [
                "SecurityHeadersConfig:",
                f'  ContentSecurityPolicy: {{ContentSecurityPolicy: "{CONTENT_SECURITY_POLICY}", Override: true}}',
                "  ContentTypeOptions: {Override: true}",
                f"  ReferrerPolicy: {{ReferrerPolicy: {ALWAYS[_REFERRER]}, Override: true}}",
                "  StrictTransportSecurity: {AccessControlMaxAgeSec: 31536000, Override: true}",
                *(["CustomHeadersConfig:", "  Items:", *custom] if custom else []),
                "RemoveHeadersConfig:",
                "  Items:",
                *(f"    - Header: {name}" for name in OF_THE_STORE if name.startswith("x-amz")),
            ]
        ),
        8,
    )


def _behaviour(policy: str, depth: int) -> str:
    return _indented(
        "TargetOriginId: content\n"
        "ViewerProtocolPolicy: redirect-to-https\n"
        "AllowedMethods: [GET, HEAD, OPTIONS]\n"
        "CachedMethods: [GET, HEAD]\n"
        "Compress: true\n"
        "CachePolicyId: !Ref Cached\n"
        f"ResponseHeadersPolicyId: !Ref {policy}\n"
        "FunctionAssociations:\n"
        "  - {EventType: viewer-request, FunctionARN: !GetAtt Addresses.FunctionARN}",
        depth,
    )


def _managed(name: str, priority: int) -> str:
    return _indented(
        f"- Name: {name}\n"
        f"  Priority: {priority}\n"
        "  OverrideAction: {None: {}}\n"
        f"  Statement: {{ManagedRuleGroupStatement: {{VendorName: AWS, Name: AWSManagedRules{name}}}}}\n"
        f"  VisibilityConfig: {{CloudWatchMetricsEnabled: true, MetricName: {name}, SampledRequestsEnabled: true}}",
        8,
    )


def _indented(text: str, depth: int) -> str:
    return "\n".join(" " * depth + line if line else line for line in text.splitlines())
