"""`python -m tests.http_cache`: put every edge through http-cache-tests, and write `docs/edges.md`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.edges import KINDS
from tests.http_cache import BARE, BUCKET, OURS, REASONS, Tried, outcome, put_through, reason

PATH = Path("docs", "edges.md")
_HEAD = Path(__file__).with_name("head.md")


def table(tried: Mapping[str, Mapping[str, Tried]], kind: str) -> str:
    """Passed of made (+ not made), for each part of the suite and each edge, as a Markdown table."""
    edges = list(tried)
    parts = list(dict.fromkeys(one.suite for one in tried[BARE].values()))
    lines = [f"| {kind} | {' | '.join(edges)} |", "|---|" + "---:|" * len(edges)]
    for part in [*parts, "all"]:
        cells = [_cell(tried[edge], kind, None if part == "all" else part) for edge in edges]
        if any(cells):
            lines.append(f"| {part} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(tried: Mapping[str, Tried], kind: str, part: str | None) -> str:
    came = [outcome(one.id, tried) for one in tried.values() if one.kind == kind and part in (None, one.suite)]
    unmade = came.count("unmade")
    return f"{came.count('pass')} of {len(came) - unmade}{f' +{unmade}' if unmade else ''}" if came else ""


def reasons(tried: Mapping[str, Mapping[str, Tried]]) -> str:
    """Why required tests fail, for each of our edges. Raises AssertionError for one that fails for no known reason."""
    lines = []
    for edge in OURS:
        lines.append(f"**{edge}**\n")
        failed = [one.id for one in tried[edge].values() if one.kind == "required" and _failed(one, tried[edge])]
        found = {id_: reason(edge, id_, REASONS) for id_ in failed}
        unknown = [id_ for id_, why in found.items() if why is None]
        assert not unknown, f"{edge} fails for no known reason: {', '.join(unknown)}"
        for why in REASONS:
            ids = [id_ for id_, one in found.items() if one is why]
            if ids:
                named = ", ".join(f"`{id_}`" for id_ in ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
                lines.append(f"- {why.why} {named}")
        lines.append("")
    return "\n".join(lines)


def _failed(one: Tried, tried: Mapping[str, Tried]) -> bool:
    return outcome(one.id, tried) == "fail"


def main() -> int:
    """Try all edges at once (they mostly wait) and write the page."""
    with ThreadPoolExecutor() as pool:
        started = {
            name: pool.submit(put_through, start, bucket="" if name == BARE else BUCKET)
            for name, start in KINDS.items()
        }
        tried = {name: done.result() for name, done in started.items()}
    tables = "\n\n".join(table(tried, kind) for kind in ("required", "optimal"))
    said = f"{_HEAD.read_text(encoding='utf-8')}{tables}\n\nRequired tests that our edges fail, and why:\n\n"
    PATH.write_text(said + reasons(tried), encoding="utf-8")
    sys.stdout.write(f"{PATH} is written; `git diff {PATH}` shows what changed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
