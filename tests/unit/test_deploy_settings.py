"""Each example of settings in `deploy/` is one that the publisher reads, and names the CDN that its folder is about."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from publisher import cdns, settings
from publisher.delivery.cdn import Cdn
from publisher.errors import SettingsError

DEPLOY = Path(__file__).parents[2] / "deploy"
EXAMPLES = {
    "bunny": "bunny",
    "cloudflare": "cloudflare",
    "digitalocean": "fastly",
    "google": None,
    "seaweedfs": "nginx",
}
SECRETS = {name for _, field, name in settings.names() if field in settings.SECRET}


def loaded(path: Path) -> tuple[settings.Settings, Cdn | None]:
    """The settings of an example with keys as its operator's environment has them, and the CDN that they choose."""
    environ = dict.fromkeys(SECRETS, "a-secret-of-some-length")
    read = settings.load(environ, path)
    (region,) = read.regions
    return read, cdns.chosen(region.cdn, read.site.url) if region.cdn.kind != "none" else None


@pytest.mark.parametrize("folder", EXAMPLES)
def test_an_example_is_read_whole(folder: str) -> None:
    read, cdn = loaded(DEPLOY / folder / "settings.toml")
    assert (cdn.name if cdn else None) == EXAMPLES[folder]
    assert read.s3.endpoint.startswith("http")
    assert read.s3.probe_url
    assert read.backup.bucket not in ("", read.s3.bucket)
    assert read.site.url == "https://reviews.example"


def test_every_example_is_tried() -> None:
    assert {path.parent.name for path in DEPLOY.glob("*/settings.toml")} == set(EXAMPLES)


@pytest.mark.parametrize("folder", EXAMPLES)
def test_no_example_holds_a_secret_and_each_names_those_it_needs(folder: str) -> None:
    text = (DEPLOY / folder / "settings.toml").read_text(encoding="utf-8")
    assert not re.search(rf"^({'|'.join(settings.SECRET)}) *=", text, re.MULTILINE)
    named = set(re.findall(r"\b(?:S3|CDN|BACKUP)_[A-Z_]+\b", text))
    assert named <= SECRETS
    assert {"S3_SECRET_KEY", "BACKUP_PASSPHRASE"} <= named


def test_a_planted_setting_is_refused(tmp_path: Path) -> None:
    text = (DEPLOY / "bunny" / "settings.toml").read_text(encoding="utf-8")
    (tmp_path / "settings.toml").write_text(text.replace("probe_url", "prove_url"), encoding="utf-8")
    with pytest.raises(SettingsError, match="prove_url"):
        loaded(tmp_path / "settings.toml")
