"""`publisher preview`: from a file, a slug or an id to a link that shows the review to whoever has it."""

from __future__ import annotations

import httpx

from tests.integration.laptops import Laptop, Network, held, ids_of


def seen(url: str) -> str:
    answer = httpx.get(url, timeout=30, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_file_a_slug_and_an_id_lead_to_the_same_draft(laptop: Laptop, elsewhere: httpx.Client) -> None:
    laptop.write("boceto.md", "Una cámara **equilibrada**.\n")
    chosen = ids_of(laptop.told("post", "boceto.md", "--draft"))["boceto.md"]
    slug = held(elsewhere, chosen)["slug"]
    for named in ("boceto.md", slug, chosen):
        told = laptop.told("preview", named)
        assert (told["id"], told["version"]) == (chosen, None)
        assert "<strong>equilibrada</strong>" in seen(told["url"])
    url, words, *_ = laptop("preview", "boceto.md", "--minutes", "5").splitlines()
    assert "<strong>equilibrada</strong>" in seen(url)
    assert words.startswith("for whoever has it, until ")


def test_a_version_can_be_kept_to_and_unsent_changes_are_told(laptop: Laptop, network: Network) -> None:
    laptop.write("luz.md", "Una cámara **equilibrada**.\n")
    laptop("post", "luz.md", "--draft")
    laptop.edit("luz.md", "equilibrada", "ligera")
    said = laptop("preview", "luz.md")
    assert "luz.md says something that was not sent: the preview does not show it" in said
    laptop("post", "luz.md")
    assert "not sent" not in laptop("preview", "luz.md")
    assert "<strong>ligera</strong>" in seen(laptop.told("preview", "luz.md")["url"])
    assert "<strong>equilibrada</strong>" in seen(laptop.told("preview", "luz.md", "--version", "1")["url"])
    assert "review" in laptop("preview", "luz.md", "--version", "9", answer=1)


def test_what_cannot_be_previewed_is_told_with_what_to_do(laptop: Laptop, network: Network) -> None:
    laptop.write("nueva.md")
    assert "nothing was posted or pulled" in laptop("preview", "nueva.md", answer=1)
    laptop("post", "nueva.md", "--no-send")
    assert "send it first with `publisher outbox send`" in laptop("preview", "nueva.md", answer=1)
    laptop.write("otra.md")
    assert "otra.md is no review that was posted or pulled" in laptop("preview", "otra.md", answer=1)
    said = laptop("preview", "nadie-escribio-esto", answer=1)
    assert "neither a file that was posted or pulled here, nor a review's slug or id" in said
    network.down()
    assert "no connection" in laptop("preview", "nadie-escribio-esto", answer=1)
