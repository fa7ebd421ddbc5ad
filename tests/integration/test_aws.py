"""The template for AWS, deployed to an imitation of AWS: a site is published to it and read through its CloudFront."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import msgspec
import pytest

from publisher import settings
from publisher.edges import ALWAYS, CONTENT_SECURITY_POLICY, cloudfront
from publisher.plant import Plant
from publisher.settings import Settings
from tests.crawler import Answer, Edge, crawl, sitemap
from tests.newsroom import Newsroom

ACCOUNT = "000000000000"


class Deployed(msgspec.Struct, frozen=True):
    """A stack that was made: what it says of itself, and how CloudFront is asked."""

    endpoint: str
    outputs: dict[str, str]

    def edge(self) -> Edge:
        """A reader's connection; the imitation takes the TLS before it as given."""
        return Edge(self.endpoint, {"Host": self.outputs["DistributionName"], "X-Forwarded-Proto": "https"})

    def ask(self, method: str, path: str, **headers: str) -> Answer:
        connection = HTTPConnection(urlsplit(self.endpoint).netloc, timeout=30)
        known = {"Host": self.outputs["DistributionName"], "X-Forwarded-Proto": "https"}
        connection.request(method, path, headers=known | headers)
        answer = connection.getresponse()
        said = Answer(answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()})
        connection.close()
        return said


def client(service: str, endpoint: str) -> Any:
    return boto3.client(
        service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s"
    )


@pytest.fixture(scope="module")
def deployed(aws: str) -> Deployed:
    """The stack of the template, with its firewall."""
    formation = client("cloudformation", aws)
    chosen = {"PublisherPrincipal": f"arn:aws:iam::{ACCOUNT}:role/publisher", "Firewall": "yes"}
    formation.create_stack(
        StackName="reviews", TemplateBody=cloudfront.template(), Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in chosen.items()],
    )  # fmt: skip
    until = time.monotonic() + 60
    while "PROGRESS" in (stack := formation.describe_stacks(StackName="reviews")["Stacks"][0])["StackStatus"]:
        assert time.monotonic() < until, stack
        time.sleep(0.2)
    events = formation.describe_stack_events(StackName="reviews")["StackEvents"]
    failed = [(one["LogicalResourceId"], one.get("ResourceStatusReason")) for one in events
              if "FAILED" in one["ResourceStatus"]]  # fmt: skip
    assert (stack["StackStatus"], failed) == ("CREATE_COMPLETE", [])
    return Deployed(aws, {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]})


class Published(msgspec.Struct, frozen=True):
    """A site that lies in the stack's bucket: settings, and what every key should hold."""

    settings: Settings
    desired: dict[str, bytes]


@pytest.fixture(scope="module")
def site(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """Three reviews, published with the settings that the stack's outputs give."""
    folder: Path = tmp_path_factory.mktemp("origin")
    environ = {
        "DATA_DIR": str(folder), "SITE_URL": deployed.outputs["SiteUrl"], "S3_ENDPOINT": deployed.endpoint,
        "S3_BUCKET": deployed.outputs["Bucket"], "S3_ACCESS_KEY": "k", "S3_SECRET_KEY": "s",
    }  # fmt: skip
    chosen = settings.load(environ)
    room = Newsroom(folder)
    room.staff(count=1, cameras=2, lenses=1)
    for number in range(3):
        room.post(f"Reseña {number}", "Una **gran** cámara.", product=room.products[number % 2])
    room.close()
    with Plant(chosen) as plant:
        plant.builder().build()
        plant.pusher().run()
        yield Published(chosen, {row.key: plant.objects.get(row.body) for row in plant.ledger.desired()})


def test_every_page_reads_through_cloudfront_as_it_was_built(deployed: Deployed, site: Published) -> None:
    edge, url = deployed.edge(), site.settings.site.url
    answers = crawl(edge, url, [*sitemap(edge, url), "/content"])
    edge.close()
    assert {path: answer.status for path, answer in answers.items() if answer.status != 200} == {}
    by_path = {"/" + key.removesuffix("index.html"): body for key, body in site.desired.items()}
    by_path["/content"] = by_path.pop("/content/index.json")
    assert [path for path, answer in answers.items() if by_path[path] != answer.body] == []
    assert len(answers) > 20


def test_answers_say_what_those_of_the_other_edges_say(deployed: Deployed, site: Published) -> None:
    page = deployed.ask("GET", "/")
    assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert {name: page.headers[name.lower()] for name in ALWAYS} == dict(ALWAYS)
    assert page.headers["cache-control"].startswith("public, max-age=30")
    data = deployed.ask("GET", "/content", Origin="https://app.example")
    assert data.headers["access-control-allow-origin"] == "*"
    assert data.headers["content-type"] == "application/json; charset=utf-8"


def test_addresses_are_those_of_the_other_edges(deployed: Deployed, site: Published) -> None:
    moved = deployed.ask("GET", "/reviews/resena-1?a=1&b=%C3%B1&a=2")
    assert (moved.status, moved.headers["location"]) == (308, "/reviews/resena-1/?a=1&a=2&b=%C3%B1")
    assert deployed.ask("GET", "/reviews/resena-1/?utm=1").status == 200
    for path in ("/nowhere/", "//evil.example/", "/content/%2e%2e/x", "/reviews/..%2f", "/content/nothing.json"):
        missing = deployed.ask("GET", path)
        assert (path, missing.status) == (path, 404)
        assert missing.body == site.desired["404.html"]
    preflight = deployed.ask("OPTIONS", "/content", Origin="https://app.example")
    assert (preflight.status, preflight.headers["access-control-allow-methods"]) == (204, "GET, HEAD, OPTIONS")
    assert deployed.ask("POST", "/reviews/").status == 403


def test_the_bucket_itself_answers_nobody(deployed: Deployed, site: Published) -> None:
    storage = client("s3", deployed.endpoint)
    bucket = deployed.outputs["Bucket"]
    assert storage.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert all(storage.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    reviews = storage.list_objects_v2(Bucket=bucket, Prefix="reviews/")["KeyCount"]
    assert reviews == sum(key.startswith("reviews/") for key in site.desired)
