"""What the API refuses of an editor's laptop: said plainly, with what to do, and nothing else is held back."""

from __future__ import annotations

import httpx

from tests.clocks import clock
from tests.integration.laptops import Laptop, Network, held, ids_of


def test_a_laptop_whose_clock_is_far_ahead_is_told_what_to_do(
    laptop: Laptop, network: Network, elsewhere: httpx.Client
) -> None:
    network.down()
    laptop.write("luz.md")
    ahead = clock("+400d")
    laptop.environ |= ahead
    with laptop.start("post", "luz.md", "--write-id") as running:
        assert "kept in the outbox" in running.communicate(timeout=240)[0]
    for name in ahead:
        del laptop.environ[name]
    network.up()
    said = laptop("outbox", "send", answer=1)
    assert "luz.md: refused" in said
    assert "clock" in said
    assert "publisher post --as-new" in said
    assert "remove this line" in laptop("post", "--as-new", "luz.md", answer=1)
    (line,) = [line for line in laptop.read("luz.md").splitlines(keepends=True) if line.startswith("id:")]
    laptop.edit("luz.md", line, "")
    chosen = ids_of(laptop.told("post", "--as-new", "luz.md"))["luz.md"]
    assert held(elsewhere, chosen)["version"] == 1
    assert laptop.told("outbox", "list") == []
    assert laptop("post", "luz.md") == "luz.md: unchanged\n"


def test_a_refused_review_is_set_aside_and_holds_back_only_itself(
    laptop: Laptop, network: Network, free_slug: str
) -> None:
    laptop.write("primera.md", slug=free_slug)
    laptop("post", "primera.md")
    network.down()
    laptop.write("segunda.md", slug=free_slug, publish_at="2035-01-01T00:00:00Z")
    laptop.write("tercera.md")
    laptop("post", "segunda.md", "tercera.md")
    network.up()
    said = laptop("outbox", "send", answer=1)
    assert f"segunda.md: refused: the address {free_slug} is taken; choose another slug" in said
    assert "tercera.md: sent" in said
    assert "1 review refused; mend the file and post it again" in said
    listed = laptop("outbox", "list")
    assert f"refused: the address {free_slug} is taken" in listed
    assert len(laptop.told("outbox", "list")) == 2
    laptop.edit("segunda.md", free_slug, f"{free_slug}-otra")
    assert "segunda.md: sent, scheduled" in laptop("post", "segunda.md")
    assert laptop("outbox", "list") == "nothing waits\n"


def test_a_file_that_cannot_be_read_is_named_and_the_others_go(laptop: Laptop) -> None:
    laptop.write("mala.md", rating=8.3)
    laptop.write("buena.md")
    said = laptop("post", "mala.md", "buena.md", answer=1)
    assert "mala.md: not posted: rating: a number from 0 to 10, in steps of 0.5" in said
    assert "buena.md: sent" in said


def test_somebody_else_s_review_may_not_be_changed(laptop: Laptop, beto: httpx.Client, network: Network) -> None:
    theirs = beto.post("/reviews", json={"title": "De Beto", "content": "Suya.", "camera_model": "Leica M11"}).json()
    laptop.write("de-beto.md", "Mía.\n", id=theirs["id"])
    assert "conflict" in laptop("post", "de-beto.md", answer=1)
    said = laptop("resolve", "de-beto.md", "--mine", answer=1)
    assert "refused: you may not do this: only its editor" in said
    assert held(beto, theirs["id"])["content"] == "Suya."


def test_a_review_that_was_deleted_on_the_site(laptop: Laptop, elsewhere: httpx.Client) -> None:
    laptop.write("luz.md")
    chosen = ids_of(laptop.told("post", "luz.md"))["luz.md"]
    elsewhere.delete(f"/reviews/{chosen}", headers={"If-Match": "*"}).raise_for_status()
    assert "luz.md: gone: deleted on the site; the file stays" in laptop("pull")
    laptop.edit("luz.md", "equilibrada", "ligera")
    assert "refused: the review is gone" in laptop("post", "luz.md", answer=1)
    again = ids_of(laptop.told("post", "luz.md", "--as-new"))["luz.md"]
    assert again != chosen
    assert held(elsewhere, again)["version"] == 1


def test_entries_are_shown_and_dropped(laptop: Laptop, network: Network) -> None:
    network.down()
    laptop.write("luz.md", rating=9, publish_at="2035-01-01T00:00:00Z")
    laptop("post", "luz.md")
    first, second = laptop.told("outbox", "list")
    shown = laptop("outbox", "show", str(first["number"]))
    assert shown.startswith(f"new luz.md (review {first['id']}, key {first['key']})\n")
    assert "\nrating: 9.0\n" in shown
    assert "publish_at: 2035-01-01T00:00:00Z" in laptop("outbox", "show", str(second["number"]))
    laptop("outbox", "drop", str(first["number"]), answer=1, typed="n\n")
    assert "2 dropped" in laptop("outbox", "drop", str(first["number"]), typed="y\n")
    assert laptop("outbox", "list") == "nothing waits\n"
    assert "no entry of the outbox has the number" in laptop("outbox", "show", "99", answer=1)
    network.up()
    assert "luz.md: sent" in laptop("post", "luz.md")
