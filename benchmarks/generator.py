"""Invented reviews in Spanish for measurements: any number of them, the same for the same seed.

Products and tags are chosen as readers choose (Zipf: the first of them twice as often as the second), texts are about
5 kB of Markdown with headings, lists, a table and emphasis. All words are from the lists below.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice
from multiprocessing import get_context
from pathlib import Path

import msgspec

from publisher.content import catalogue, editors, reviews
from publisher.content.model import Draft, Review, Role, State, Text
from publisher.content.writer import Transaction, Writer
from publisher.site import markdown

NOUNS = (
    "cámara lente enfoque sensor visor pantalla batería empuñadura obturador diafragma exposición color detalle ruido"
    " contraste luz sombra retrato paisaje calle viaje montaña mar ciudad noche amanecer trípode filtro tarjeta archivo"
    " disparo ráfaga estabilizador menú botón rueda cuerpo peso sello montura distancia bokeh nitidez esquina borde"
).split()
ADJECTIVES = (
    "rápida lenta precisa ligera pesada robusta cómoda clara oscura cálida fría suave dura nítida sencilla compleja"
    " moderna clásica discreta luminosa silenciosa fiable barata cara versátil compacta profunda exacta firme sólida"
).split()
VERBS = (
    "ofrece muestra permite consigue mantiene pierde gana mejora resuelve registra responde acompaña sorprende exige"
    " recompensa conserva distingue separa reúne corrige equilibra dibuja recoge entrega protege facilita"
).split()
LINKS = "con sin para entre desde hacia según durante sobre bajo tras ante".split()
PLACES = "Bogotá Lima Quito Rosario Valparaíso Montevideo Cusco Medellín Salta Mendoza Oaxaca Sucre Asunción".split()
SUBJECTS = (
    "calle noche retrato paisaje viaje boda deporte fauna macro video cielo arquitectura producto película".split()
)
PROS = ("Color natural", "Enfoque seguro", "Buen agarre", "Visor amplio", "Batería duradera", "Cuerpo sellado")
CONS = ("Precio alto", "Menú confuso", "Pesa en el viaje", "Ruido en sombras", "Pantalla fija", "Ráfaga corta")
TAGS = 200
IN_FLIGHT = 1_000
SLICE = 1_000
START = datetime(2012, 1, 1, tzinfo=UTC)


class Invented(msgspec.Struct, frozen=True, kw_only=True):
    """One invented review: its draft but for the product, the product's place in the catalogue, its body and date."""

    draft: Draft
    product: int
    markdown: str
    date: datetime


Say = Callable[[Iterator[Invented]], Iterator[Invented]]


def generate(count: int, seed: int = 1, product_count: int = 1_800) -> Iterator[Invented]:
    """`count` invented reviews of `product_count` products, oldest first; the same for the same arguments."""
    chance = random.Random(seed)
    tags = _tags()
    by_product, by_tag = _zipf(product_count), _zipf(len(tags))
    # The most reviewed products should not be those that come first in the alphabet.
    order = chance.sample(range(product_count), product_count)
    for number in range(count):
        product = order[chance.choices(range(product_count), cum_weights=by_product)[0]]
        chosen = tuple(dict.fromkeys(chance.choices(tags, cum_weights=by_tag, k=chance.randint(1, 6))))
        words = f"{chance.choice(NOUNS)} {chance.choice(ADJECTIVES)} {chance.choice(LINKS)} {chance.choice(NOUNS)}"
        draft = Draft(
            title=f"{words.capitalize()} en {chance.choice(PLACES)}, {number + 1}",
            summary=_sentence(chance),
            tags=chosen,
            rating=chance.randint(8, 20) / 2,
            pros=tuple(chance.sample(PROS, 2)),
            cons=tuple(chance.sample(CONS, 1)),
        )
        yield Invented(
            draft=draft,
            product=product,
            markdown=_body(chance),
            date=START + timedelta(hours=number, minutes=number % 60),
        )


def fill(path: Path | str, count: int, seed: int = 1, *, say: Say = lambda reviews: reviews) -> float:
    """Write `count` invented reviews, and the catalogue, to the database at `path`; returns the seconds it took.

    `say` may give the reviews other words.
    """
    started = time.perf_counter()
    with Writer(path) as writer:
        catalogue.load(writer)
        editor_id = writer.run(_editor)
        ids = writer.run(lambda tx: [row[0] for row in tx.db.conn.execute("SELECT id FROM products ORDER BY ordinal")])
        pending: deque[Future[Review]] = deque()
        for invented, body in _rendered(say(generate(count, seed, len(ids)))):
            draft = msgspec.structs.replace(invented.draft, product_id=ids[invented.product])
            pending.append(writer.submit(_writing(draft, invented, body, editor_id), actor="generator"))
            if len(pending) > IN_FLIGHT:
                pending.popleft().result()
        for future in pending:
            future.result()
    return time.perf_counter() - started


def _editor(tx: Transaction) -> str:
    known = editors.first(tx.db, Role.chief)
    if known is not None:
        return known.id
    return editors.create(
        tx, email="generador@example.org", name="Redacción", role=Role.chief, password_hash="no password"
    ).id


def _rendered(invented: Iterator[Invented]) -> Iterator[tuple[Invented, Text]]:
    """Each with its rendered body; other processes render, a slice ahead, while this one writes."""
    with ProcessPoolExecutor(max_workers=max(1, (os.cpu_count() or 2) - 1), mp_context=get_context("spawn")) as pool:

        def start() -> tuple[list[Invented], Iterator[Text]]:
            some = list(islice(invented, SLICE))
            return some, pool.map(markdown.render, [one.markdown for one in some], chunksize=50)

        some, bodies = start()
        while some:
            following = start()
            yield from zip(some, bodies, strict=True)
            some, bodies = following


def _writing(draft: Draft, invented: Invented, body: Text, editor_id: str) -> Callable[[Transaction], Review]:
    return lambda tx: reviews.create(
        tx, draft, body, editor_id=editor_id, state=State.published, published_at=invented.date
    )


def _zipf(count: int) -> list[float]:
    """Cumulative weights 1, 1 + 1/2, 1 + 1/2 + 1/3, …"""
    return list(accumulate(1 / rank for rank in range(1, count + 1)))


def _tags() -> list[str]:
    single = [*SUBJECTS, *(f"{subject} {adjective}" for adjective in ADJECTIVES for subject in SUBJECTS)]
    return single[:TAGS]


def _sentence(chance: random.Random) -> str:
    pick = chance.choice
    words = f"la {pick(NOUNS)} {pick(ADJECTIVES)} {pick(VERBS)} la {pick(NOUNS)} {pick(LINKS)} la {pick(NOUNS)}"
    if chance.random() < 0.5:
        words += f", y {pick(VERBS)} {pick(LINKS)} una {pick(NOUNS)} {pick(ADJECTIVES)}"
    return words.capitalize() + "."


def _paragraph(chance: random.Random) -> str:
    sentences = [_sentence(chance) for _ in range(chance.randint(3, 7))]
    if chance.random() < 0.6:
        words = sentences[0].rstrip(".").split()
        words[3] = f"**{words[3]}**"
        words[-1] = f"*{words[-1]}*"
        sentences[0] = " ".join(words) + "."
    return " ".join(sentences)


def _body(chance: random.Random) -> str:
    parts = [_paragraph(chance)]
    for _ in range(chance.randint(4, 7)):
        parts.append(f"## {chance.choice(NOUNS).capitalize()} {chance.choice(ADJECTIVES)}")
        parts += [_paragraph(chance) for _ in range(chance.randint(1, 3))]
        if chance.random() < 0.5:
            parts.append("\n".join(f"- {_sentence(chance)}" for _ in range(chance.randint(3, 5))))
    rows = [f"| {chance.choice(NOUNS)} | {chance.randint(1, 100)} | {chance.choice(ADJECTIVES)} |" for _ in range(5)]
    parts.append("\n".join(("| prueba | valor | nota |", "|---|--:|---|", *rows)))
    parts.append(f"> {_sentence(chance)}")
    return "\n\n".join(parts) + "\n"


def main(arguments: list[str]) -> None:
    """Fill a database from the command line and say how long it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generator", description=fill.__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    seconds = fill(chosen.path, chosen.count, chosen.seed)
    print(f"{chosen.count:,} reviews in {seconds:,.1f} s ({chosen.count / seconds:,.0f} a second)")


if __name__ == "__main__":
    main(sys.argv[1:])
