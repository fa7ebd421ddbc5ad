"""The template for AWS passes Amazon's own linter, every rule on, and keeps the bucket to CloudFront."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from publisher.edges import cloudfront
from tests.servers import CHECKERS


def lint(template: str, folder: Path) -> list[str]:
    """What cfn-lint finds, hints included, each with its rule."""
    path = folder / "template.yaml"
    path.write_text(template, encoding="utf-8")
    ran = subprocess.run(
        [str(CHECKERS / "cfn-lint"), "-t", str(path), "-r", "us-east-1", "-c", "I", "-f", "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.stdout, ran.stderr
    return [f"{one['Rule']['Id']}: {one['Message']}" for one in json.loads(ran.stdout)]


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, each of which becomes what it says."""


_Loader.add_multi_constructor("!", lambda loader, name, node: f"!{name} {getattr(node, 'value', '')}")


def resources(template: str) -> dict[str, Any]:
    """The resources of a template by their names."""
    return dict(yaml.load(template, _Loader)["Resources"])  # noqa: S506 — a safe loader


def open_doors(template: str) -> list[str]:
    """Buckets that anyone but a named service or role could read."""
    found = []
    for name, one in resources(template).items():
        if one["Type"] == "AWS::S3::Bucket":
            block = one["Properties"].get("PublicAccessBlockConfiguration", {})
            if not (len(block) == 4 and all(block.values())):
                found.append(name)
        if one["Type"] == "AWS::S3::BucketPolicy":
            statements = one["Properties"]["PolicyDocument"]["Statement"]
            found += [name for said in statements if said["Effect"] == "Allow" and said["Principal"] == "*"]
    return found


@pytest.mark.timeout(900)
def test_the_template_passes_and_a_planted_fault_does_not(tmp_path: Path) -> None:
    assert lint(cloudfront.template(), tmp_path) == []
    planted = cloudfront.template().replace("HttpVersion: http2and3", "HttpVersion: http4")
    assert any("HttpVersion" in one or "http4" in one for one in lint(planted, tmp_path))


def test_only_cloudfront_reads_the_bucket_and_a_planted_open_door_is_seen() -> None:
    assert open_doors(cloudfront.template()) == []
    opened = cloudfront.template().replace("BlockPublicPolicy: true", "BlockPublicPolicy: false")
    assert open_doors(opened) == ["Content", "Backups", "Logs"]


def test_what_is_stored_is_encrypted_with_our_key_and_kept_when_overwritten() -> None:
    for name in ("Content", "Backups"):
        bucket = resources(cloudfront.template())[name]["Properties"]
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "!GetAtt Key.Arn"}
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}


def test_the_publishing_role_may_do_little() -> None:
    role = resources(cloudfront.template())["Publishing"]["Properties"]
    statements = role["Policies"][0]["PolicyDocument"]["Statement"]
    allowed = {
        action for one in statements for action in ([one["Action"]], one["Action"])[isinstance(one["Action"], list)]
    }
    assert allowed == {
        "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:GetBucketLocation",
        "kms:Decrypt", "kms:GenerateDataKey", "cloudfront:CreateInvalidation", "cloudfront:GetInvalidation",
    }  # fmt: skip
    assert not any("*" in str(action) for action in allowed)
