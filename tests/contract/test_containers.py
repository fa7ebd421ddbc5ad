"""Containers: their files pass the linters, name only settings that there are, and leave nobody more than is needed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from publisher import settings
from tests.servers import CHECKERS

DEPLOY = Path(__file__).parents[2] / "deploy"
KNOWN = {variable for _, _, variable in settings.names()}


def hadolint(path: Path) -> str:
    """What hadolint finds in a Dockerfile, hints included."""
    ran = subprocess.run([CHECKERS / "hadolint", path], capture_output=True, text=True, check=False)
    return ran.stdout + ran.stderr


def validated(path: Path) -> tuple[int, str]:
    """What Kubernetes' own schemas say of a file of resources."""
    ran = subprocess.run(
        [CHECKERS / "kubernetes-validate", "--strict", "-k", "1.31", path], capture_output=True, text=True, check=False
    )
    return ran.returncode, ran.stdout + ran.stderr


def test_the_image_passes_hadolint_and_a_planted_fault_does_not(tmp_path: Path) -> None:
    dockerfile = DEPLOY / "docker" / "Dockerfile"
    assert hadolint(dockerfile) == ""
    planted = tmp_path / "Dockerfile"
    planted.write_text(dockerfile.read_text(encoding="utf-8").replace("slim-bookworm AS built", "latest AS built"))
    planted.write_text(planted.read_text().replace("FROM python:3.11-latest", "FROM python:latest"))
    assert "DL3007" in hadolint(planted)


def test_the_resources_are_kubernetes_and_a_planted_fault_is_not(tmp_path: Path) -> None:
    for name in ("publisher.yaml", "network.yaml"):
        assert validated(DEPLOY / "kubernetes" / name)[0] == 0, validated(DEPLOY / "kubernetes" / name)[1]
    planted = tmp_path / "planted.yaml"
    text = (DEPLOY / "kubernetes" / "publisher.yaml").read_text(encoding="utf-8")
    planted.write_text(text.replace("replicas: 1", "replicaz: 1"))
    assert validated(planted)[0] != 0


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text(encoding="utf-8"))["services"])


def pods() -> Iterator[dict[str, Any]]:
    """The containers of the pod, those that prepare it too."""
    for one in yaml.safe_load_all((DEPLOY / "kubernetes" / "publisher.yaml").read_text(encoding="utf-8")):
        if one["kind"] == "StatefulSet":
            assert one["spec"]["replicas"] == 1
            assert one["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
            yield from one["spec"]["template"]["spec"]["initContainers"]
            yield from one["spec"]["template"]["spec"]["containers"]


def test_only_settings_that_there_are_are_set() -> None:
    named = {name for service in compose().values() for name in service.get("environment", {})}
    kustomization = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text(encoding="utf-8"))
    named |= {one.partition("=")[0] for made in kustomization["configMapGenerator"] for one in made["literals"]}
    assert named - KNOWN == set()
    assert {"S3_BUCKET", "BACKUP_BUCKET", "SITE_URL"} <= named


def test_no_container_has_more_rights_than_it_needs() -> None:
    for name, service in compose().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
    for container in pods():
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True, container["name"]
        assert context["capabilities"] == {"drop": ["ALL"]}, container["name"]


def test_every_command_of_a_container_is_one_of_the_program() -> None:
    from publisher.cli_overview import COMMANDS

    said = {tuple(service["command"]) for service in compose().values() if service.get("command")}
    said |= {tuple(container["args"]) for container in pods()}
    assert said == {("init",), ("api",), ("worker",), ("backup", "run")}
    assert {words[0] for words in said} <= set(COMMANDS)
