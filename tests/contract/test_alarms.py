"""Alarms and dashboard: Prometheus' own checker passes them, and they ask only for metrics that there are."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from tests.servers import CHECKERS

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus"
_NAME = re.compile(r"\bpublisher_[a-z_]+")
_SUFFIX = re.compile(r"(_total|_bucket|_count|_sum)$")


def promtool(*words: str) -> tuple[int, str]:
    ran = subprocess.run([CHECKERS / "promtool", *words], capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout + ran.stderr


def test_the_rules_are_rules_and_each_alarm_is_raised_by_its_cause() -> None:
    assert promtool("check", "rules", str(RULES / "alerts.yml"))[0] == 0
    status, said = promtool("test", "rules", str(RULES / "alerts.test.yml"))
    assert status == 0, said


@pytest.mark.parametrize(
    ("was", "planted"), [("> 60\n        for: 1m", "> 1e9\n        for: 1m"), ('=~"failing|unseen"', '=~"halted"')]
)
def test_a_planted_fault_in_a_rule_is_seen(tmp_path: Path, was: str, planted: str) -> None:
    for name in ("alerts.yml", "alerts.test.yml"):
        text = (RULES / name).read_text(encoding="utf-8")
        assert name != "alerts.yml" or was in text
        (tmp_path / name).write_text(text.replace(was, planted), encoding="utf-8")
    assert promtool("test", "rules", str(tmp_path / "alerts.test.yml"))[0] != 0


def unknown(expressions: Iterable[str], known: set[str]) -> set[str]:
    """Metrics that expressions ask for and nobody tells."""
    asked = {_SUFFIX.sub("", name) for expression in expressions for name in _NAME.findall(expression)}
    return asked - known


@pytest.fixture(scope="module")
def known() -> set[str]:
    """The names of the metrics that the program has."""
    sources = [ROOT / name for name in ("api/gauges.py", "api/metrics.py", "publisher/monitoring.py")]
    return {_SUFFIX.sub("", name) for path in sources for name in _NAME.findall(path.read_text(encoding="utf-8"))}


def test_only_metrics_that_there_are_are_asked_for(known: set[str]) -> None:
    rules = yaml.safe_load((RULES / "alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "publisher.json").read_text(encoding="utf-8"))
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert unknown([rule["expr"] for rule in rules], known) == set()
    assert unknown(shown, known) == set()
    assert unknown(["rate(publisher_nothing_total[5m])"], known) == {"publisher_nothing"}


def test_every_alarm_says_what_is_wrong_and_what_to_do() -> None:
    rules = yaml.safe_load((RULES / "alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    assert all({"summary", "action"} == set(rule["annotations"]) for rule in rules)
    assert all(rule["labels"]["severity"] in ("page", "ticket") for rule in rules)
