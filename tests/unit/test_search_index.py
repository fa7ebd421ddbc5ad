"""The search index: which segments there are, what is in them, and what a publish writes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.content import database, effects, products, reviews
from publisher.content.model import Draft, State
from publisher.errors import GivenUpError
from publisher.indexer import Indexer
from publisher.site import postings, search_layout
from publisher.site.sync_layout import Span
from tests.newsroom import Newsroom, text


@given(st.integers(0, 200_000), st.integers(0, 200_000))
def test_spans_follow_one_another_from_the_base_to_the_newest_change(since: int, more: int) -> None:
    older, recent = search_layout.spans(since + more, since)
    borders = [since, *(span.high for span in older), recent.high]
    assert [Span(low, high) for low, high in pairwise(borders)] == [*older, recent]
    assert all(span.low < span.high for span in older)
    assert recent.high - recent.low < 10
    assert len(older) <= more // search_layout.BLOCK + 1 + len(search_layout.SIZES)


def test_most_segments_stay_when_something_is_published() -> None:
    written = sum(len({*search_layout.spans(n, 0)[0]} - {*search_layout.spans(n - 1, 0)[0]}) for n in range(1, 5761))
    assert written == 5760 // 10, "one in ten changes, of whatever size"


def test_postings_are_distances_with_weights() -> None:
    silent = [(ordinal, dict[str, int]()) for ordinal in range(11, 60)]
    entries = [(3, {"luz": 9, "mar": 1}), (10, {"luz": 2}), *silent, (1100, {"luz": 0})]
    fresh = postings.fresh(postings.gathered(entries), [4, 9])
    assert said_of(msgspec.to_builtins(fresh)) == {"luz": "0,1Bi!", "mar": "0#"}, "places: 50 is 1 and 18 in base 32"
    assert fresh.reviews.startswith("371"), "whose ordinals are said once"
    assert fresh.reviews.endswith("1BAh"), "1041 is 1, 0 and 17"
    assert fresh.gone == "45"


def read(said: str) -> list[tuple[int, int]]:
    """Postings as ordinals with weights, by docs/search.md."""
    found = list[tuple[int, int]]()
    ordinal = distance = 0
    for one in said:
        if one in "ABCDEFGHIJKLMNOPQRSTUVWXYZwxyz-_":
            distance = distance * 32 + "ABCDEFGHIJKLMNOPQRSTUVWXYZwxyz-_".index(one)
        elif one in "!#$%&()*+,":
            found[-1] = ordinal, "!#$%&()*+,".index(one)
        else:
            ordinal, distance = ordinal + distance * 32 + int(one, 32), 0
            found.append((ordinal, 2))
    return found


@given(st.dictionaries(st.integers(0, 200_000), st.integers(0, 9)))
def test_postings_are_read_as_they_were_written(weights: dict[int, int]) -> None:
    listed = sorted(weights.items())
    assert read(postings.written(ordinal * 10 + weight for ordinal, weight in listed)) == listed


def unfronted(said: str) -> list[str]:
    """Words that are written with what they have in common with the one before, read by JavaScript's characters."""
    found, before = list[str](), b""
    for one in said.split(" ") if said else ():
        before = before[: 2 * int(one[0], 36)] + one[1:].encode("utf-16-be")
        found.append(before.decode("utf-16-be"))
    return found


def said_of(shard: dict[str, Any]) -> dict[str, str]:
    """The postings that a shard, or a head itself, says."""
    return dict(zip(unfronted(shard["terms"]), shard["postings"].split(), strict=True))


words = st.text(st.characters(codec="utf-8", exclude_characters=" "), min_size=1, max_size=6)


@given(st.lists(words))
def test_words_are_read_as_they_were_before_what_they_have_in_common_was_left_out(said: list[str]) -> None:
    assert unfronted(postings.fronted(said)) == said


def test_what_words_have_in_common_is_written_once() -> None:
    said = ["a" * 40, "a" * 41, "𝒜b", "𝒜c"]
    assert postings.fronted(said) == f"0{'a' * 40} z{'a' * 6} 0𝒜b 0𝒜c", "36 are counted at most, none beyond a pair"
    assert unfronted(postings.fronted(said)) == said


@given(st.dictionaries(words, st.lists(st.integers(0, 5_000), min_size=1, max_size=400, unique=True), min_size=1))
def test_every_term_is_in_the_shard_that_the_bounds_say(said: dict[str, list[int]]) -> None:
    by_ordinal: dict[int, dict[str, int]] = {}
    for term, listed in said.items():
        for ordinal in listed:
            by_ordinal.setdefault(ordinal, {})[term] = 5
    entries = sorted(by_ordinal.items())
    most = 1_000
    _, files = postings.segment(postings.gathered(entries), [], shard=most)
    *shards, index = map(json.loads, files)
    reviews = ordinals(index["reviews"])
    found: dict[str, list[tuple[int, int]]] = {}
    for term in said:
        number = max(
            n
            for n, bound in enumerate(unfronted(index["bounds"]))
            if bound.encode("utf-16-be") <= term.encode("utf-16-be")
        )
        found[term] = [(reviews[place], weight) for place, weight in read(said_of(shards[number])[term])]
    assert found == {term: [(n, 5) for n in sorted(said[term])] for term in said}
    assert sum(len(said_of(shard)) for shard in shards) == len(said)
    assert all(len(shard["terms"] + shard["postings"]) <= most or " " not in shard["terms"] for shard in shards)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    found = Newsroom(tmp_path)
    found.staff()
    yield found
    found.close()


def head(room: Newsroom) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(room.target.bodies[postings.HEAD])
    return said


def search_puts(room: Newsroom) -> list[str]:
    """Keys of the search that a publish puts."""
    room.target.puts.clear()
    room.publish()
    return sorted(key for key in room.target.puts if key.startswith("content/search/"))


def texts() -> Iterator[str]:
    """Texts of 450 words of 20,000 that are spread as in life, by Zipf's law; the same in every run."""
    chance, known = random.Random(4), [f"voz{number}" for number in range(20_000)]
    weights = list(accumulate(1 / (number + 3) for number in range(len(known))))
    while True:
        yield " ".join(chance.choices(known, cum_weights=weights, k=450))


def numbers(room: Newsroom) -> tuple[int, int]:
    """The newest public change, and the one after which the newest base of the index is due."""
    return room.writer.run(lambda tx: (effects.newest(tx.db).number, next(effects.snapshots(tx.db)).number))


def from_base_to_base(room: Newsroom, reviews: int, also: Callable[[int], None] = lambda number: None) -> list[int]:
    """How many files of the search each publish puts after a new base is due, up to the next base and with it.

    So many reviews are there before, at least. Each publish is of a new one, and of what `also` does, given its number.
    """
    said = texts()
    for _ in range(reviews):
        room.post("Reseña", next(said))
    while len({*numbers(room)}) > 1:
        room.post("Reseña", next(said))
    room.publish()
    began, counts = numbers(room)[1], list[int]()
    while numbers(room)[1] in (began, numbers(room)[0]):  # a base is there with the change after the one it is due at
        room.post(f"Reseña {len(counts)}", next(said))
        also(len(counts))
        counts.append(len(search_puts(room)))
    return counts


def test_a_publish_writes_few_files_those_of_a_new_base_included(room: Newsroom) -> None:
    counts = from_base_to_base(room, 150)
    assert min(counts) == 2, "the head, and what is shown of the review"
    assert len(counts) > search_layout.SIZES[-2]
    assert counts[-1] > 60, "a new base"
    assert 4.2 < sum(counts) / len(counts) <= 5


def test_one_file_more_with_every_publish_would_be_seen(room: Newsroom) -> None:
    old = [room.post(f"Antigua {number}") for number in range(9)]

    def edited(number: int) -> None:
        draft = Draft(title=f"Editada {number}")
        room.writer.run(lambda tx: reviews.update(tx, old[number % len(old)].id, draft, text("El sol.")))

    counts = from_base_to_base(room, 150, edited)
    assert sum(counts) / len(counts) > 5


def test_a_new_base_lets_the_old_one_go_bit_by_bit_and_may_be_interrupted(room: Newsroom) -> None:
    db = database.connect(room.content_db, readonly=True)
    indexer, said = Indexer(db, room.ledger, room.objects, many=1), texts()
    for _ in range(45):
        room.post("Reseña", next(said))
    room.build()
    began = numbers(room)[1]
    while numbers(room)[1] == began:
        room.post("Reseña", next(said))
    indexer.index()  # segments of all that came since
    room.post("Reseña", next(said))

    def leaving() -> list[str]:
        return list(json.loads(room.ledger.kept_state("search")).get("leaving", {}))

    def breathe() -> None:
        if leaving():
            raise GivenUpError("planted")

    with pytest.raises(GivenUpError):
        indexer.index(breathe=breathe)
    left = leaving()
    assert indexer.is_behind(), "for files of these are wanted no more"
    indexed = indexer.index()
    assert indexed is not None
    assert indexed.removed >= len(left) > 0
    assert not indexer.is_behind()
    room.build()
    assert room.clean_build() == list(room.ledger.desired())
    db.close()


def fresh(room: Newsroom) -> tuple[list[int], set[int]]:
    """Ordinals that the newest changes took away, and those that they say something of."""
    said = head(room)["fresh"]
    reviews = ordinals(said["reviews"])
    assert {reviews[place] for listed in said["postings"].split() for place in ordinals(listed)} == set(reviews)
    return ordinals(said["gone"]), set(reviews)


def ordinals(said: str) -> list[int]:
    return [ordinal for ordinal, _ in read(said)]


def test_an_edit_hides_what_older_segments_say(room: Newsroom) -> None:
    posted = [room.post(f"Reseña {number}", "La luz del mar.") for number in range(20)]
    room.publish()
    last = room.post("Última", "Nada.")
    draft = Draft(title="Editada", tags=("viaje",))
    room.writer.run(lambda tx: reviews.update(tx, posted[0].id, draft, text("El sol.")))
    room.writer.run(lambda tx: reviews.move(tx, posted[1].id, State.draft))
    room.publish()
    gone, said = fresh(room)
    assert gone == [1]
    assert {0, 20} <= said, "and what older segments say of 0 is hidden by that"
    assert 1 not in said
    room.writer.run(lambda tx: reviews.move(tx, last.id, State.draft))
    room.publish()
    gone, said = fresh(room)
    assert gone == [1], "what is as new as the segment is nowhere else"
    assert 20 not in said


def test_a_product_that_changes_rewrites_no_postings(room: Newsroom) -> None:
    for number in range(3):
        room.post(f"Reseña {number}", product=room.products[0])
    room.publish()
    before = room.target.bodies[postings.HEAD]
    room.writer.run(lambda tx: products.update(tx, room.products[0].id, model="Nuevo nombre"))
    assert "content/search/cards/1.json" in search_puts(room), "which says the product's name"
    then, now = said_of(json.loads(before)["fresh"]), said_of(head(room)["fresh"])
    assert then.items() <= (now | then).items()


def test_files_of_the_index_are_immutable_but_for_the_head(room: Newsroom) -> None:
    for number in range(9):
        room.post(f"Reseña {number}")
    room.publish()
    headers = {key: cache for key, (_, cache) in room.target.headers.items() if postings.owns(key)}
    assert len(headers) > 2
    assert {key for key, cache in headers.items() if "immutable" not in cache} == {postings.HEAD}


def test_a_damaged_shard_is_made_again(room: Newsroom) -> None:
    for number in range(9):
        room.post(f"Reseña {number}")
    room.build()
    before = {row.key: row.body for row in room.ledger.desired() if row.key.startswith(postings.FOLDER)}
    room.builder.heal([next(iter(before.values()))])
    assert {row.key: row.body for row in room.ledger.desired() if row.key.startswith(postings.FOLDER)} == before
    assert all(room.objects.get(body) for body in before.values())
