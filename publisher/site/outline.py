"""The outline of a long text: its highest headings, each with an address of its own, for a table of contents."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

LONG = 6_000
"""Characters of HTML (some two screens of words) from which a text gets a table of contents."""
FEWEST = 3
"""Headings that make a table."""

_HEADING = re.compile(r"<h2>(.*?)</h2>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_OTHER = re.compile(r"[^a-z0-9]+")


def outlined(html: str) -> tuple[str, list[tuple[str, str]]]:
    """Safe HTML whose headings have ids, and the table of contents as (id, words, themselves safe HTML).

    The table is empty and the HTML as it was when the text is short or has few headings.
    """
    if len(html) < LONG or html.count("<h2>") < FEWEST:
        return html, []
    table: list[tuple[str, str]] = []
    taken: set[str] = set()

    def named(match: re.Match[str]) -> str:
        words = " ".join(_TAG.sub("", match[1]).split())
        if not words:
            return match[0]
        name = _free(_slug(words), taken)
        table.append((name, words))
        return f'<h2 id="{name}">{match[1]}</h2>'

    made = _HEADING.sub(named, html)
    return (made, table) if len(table) >= FEWEST else (html, [])


@lru_cache(maxsize=4096)
def _slug(words: str) -> str:
    plain = unicodedata.normalize("NFKD", words.lower()).encode("ascii", "ignore").decode()
    # What is in front keeps it apart from every id of the page itself and of footnotes.
    return "h-" + (_OTHER.sub("-", re.sub(r"&\w+;", "-", plain)).strip("-")[:60].rstrip("-") or "x")


def _free(name: str, taken: set[str]) -> str:
    free, number = name, 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    taken.add(free)
    return free
