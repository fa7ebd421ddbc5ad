"""`search`: what a question fetches and what a publish writes, beside Pagefind and MiniSearch."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from benchmarks import generator, growing, newsroom, processes, results, vocabulary
from benchmarks.growing import Growing, Period, packed
from benchmarks.peers import searches
from benchmarks.peers.searches import Answer
from benchmarks.processes import Run
from benchmarks.results import Report, Result
from publisher.content import database, effects, reviews
from publisher.content.database import Database
from publisher.content.writer import Writer
from publisher.delivery.ledger import Ledger
from publisher.delivery.objects import Objects
from publisher.indexer import Indexer
from publisher.plant import Plant
from publisher.settings import Settings
from publisher.site import markdown, search_layout, terms

NAME = "search"
SIZES, QUICK_SIZES = (1_000, 10_000), (40,)
QUESTIONS, QUICK_QUESTIONS = 12, 2
ROUNDS = 2
OURS, PAGEFIND, MINISEARCH = "publisher", "Pagefind", "MiniSearch"
WORDS = {1: "one word", 2: "two words", 3: "three words"}
_SCRIPTS = Path(__file__).parents[1] / "site_templates" / "assets"
_ASSET = re.compile(r'(?:href|src)="/(assets/[\w.-]+\.(?:css|js))"')


class Index(msgspec.Struct, frozen=True):
    """A search over one site: its answers by the number of words, the runs that made it, what a publish rewrites.

    `fullest` are the answers while as many changes as may be stand apart from the base, where that matters.
    """

    answers: dict[int, list[Answer]]
    scripts: int
    runs: list[Run]
    files: float
    written: float
    fullest: dict[int, list[Answer]] = {}
    period: Period | None = None


Measure = Callable[[Index], list[float]]


def run(folder: Path, quick: bool) -> Report:
    """Measure each size, beside those peers that are installed."""
    found, notes, periods = list[Result](), list[str](), dict[int, Period]()
    for size in QUICK_SIZES if quick else SIZES:
        sized = _Sized(folder / str(size), size, quick)
        sides = {OURS: sized.ours()}
        for name, measure in ((PAGEFIND, sized.pagefind), (MINISEARCH, sized.minisearch)):
            if not searches.is_installed(name.lower()):
                notes.append(f"{name} is not installed, so it was not measured: run `make bench`.")
                continue
            try:
                sides[name] = measure()
            except RuntimeError as error:
                notes.append(f"{name} at {size:,} reviews: {str(error).splitlines()[0]}")
        if (period := sides[OURS].period) is not None:
            periods[size] = period
        notes += [_parts(size, sides[OURS].answers), _parts(size, sides[OURS].fullest, " at the fullest")]
        found += _results(f"{size:,} reviews", sides)
    return Report(
        benchmark=NAME,
        title="A question to the search",
        about="Reviews of some 5 kB in a vocabulary of 60,000 words, spread as in life (`benchmarks/vocabulary.py`), "
        "and questions of words that one of them says. Each search is asked by its own scripts in Node, by a reader "
        "who just came (first) and by one who asked the others before (later), and shows the first eight reviews. "
        "Kilobytes are as sent: gzip at level 6 without headers, or as they are where files come compressed. Rebuild: "
        "the index from nothing, in a process of its own.",
        results=found,
        notes=[
            *notes,
            "Page and scripts: of ours the whole search page; of the others their script, without any page, Pagefind's "
            "WebAssembly being in what its first question fetches. Ours finds products by name too: its first question "
            "fetches their catalogue.",
            "Fullest: after so many more changes, half of them new reviews and half edits, that the base is as old as "
            f"it may be, and there is a segment of every size below {search_layout.BLOCK:,}, of as many changes as it "
            "may have, and as many in the head.",
            "A publish: of ours the mean of all that write to the index from one base of it to the next, the new base "
            "included; of the others a rebuild with one review more.",
            *(_period(size, periods[size]) for size in periods),
        ],
    )


class _Sized:
    """One site, as its database and as files."""

    def __init__(self, folder: Path, size: int, quick: bool) -> None:
        self._folder, self._size, self._quick, self._rounds = folder, size, quick, 1 if quick else ROUNDS
        self._settings = newsroom.filled(folder / "data", size, say=vocabulary.spread)
        self._questions = {
            count: list(_questions(self._settings, count, QUICK_QUESTIONS if quick else QUESTIONS)) for count in WORDS
        }
        self._pages, self._rows = folder / "pages", folder / "rows"
        searches.write(self._settings, self._pages, self._rows)

    def ours(self) -> Index:
        """Ours: the site as it is built, then rebuilds of the index, then publishes."""
        site = self._folder / "site"
        with Plant(self._settings) as parts:
            parts.builder().build()
            _lay(parts.ledger, parts.objects, site)
        page = (site / "search" / "index.html").read_bytes()
        named = {site / found for found in _ASSET.findall(page.decode())}
        scripts = sum(map(packed, (page, *(one.read_bytes() for one in named))))
        answers = self._asked("ours", site)
        runs = [self._rebuilt(number) for number in range(self._rounds)]
        period = self._published()
        written = period.bytes / period.publishes + statistics.fmean(packed(one.read_bytes()) for one in self._cards())
        return Index(answers, scripts, runs, period.files / period.publishes, written, self._fullest(), period)

    def pagefind(self) -> Index:
        """Pagefind: once, as it takes long, and once more with a review more."""
        done = searches.pagefind(self._pages)
        place = self._pages / "pagefind"
        scripts = packed((place / "pagefind.js").read_bytes())
        answers = self._asked("pagefind", self._pages, lost=True)  # its stems are its own
        before = _digests(place)
        one = next(vocabulary.spread(generator.generate(1, seed=77), seed=77))
        more = self._pages / "another" / "index.html"
        more.parent.mkdir()
        body = markdown.render(one.markdown).html
        more.write_text(f'<html lang="es"><body><main data-pagefind-body><h1>{one.draft.title}</h1>{body}</main>')
        shutil.rmtree(place)
        searches.pagefind(self._pages)
        fresh = [path for path, digest in _digests(place).items() if before.get(path) != digest]
        return Index(answers, scripts, [done], len(fresh), sum(packed(path.read_bytes()) for path in fresh))

    def minisearch(self) -> Index:
        """MiniSearch: one file that holds all."""
        place = self._folder / "minisearch"
        place.mkdir()
        runs = [searches.minisearch(self._rows, place / "index.json") for _ in range(self._rounds)]
        scripts = packed((searches.MODULES / "minisearch" / "dist" / "umd" / "index.js").read_bytes())
        written = packed((place / "index.json").read_bytes())
        return Index(self._asked("minisearch", place), scripts, runs, 1, written)

    def _asked(self, side: str, folder: Path, *, lost: bool = False) -> dict[int, list[Answer]]:
        """Answers to all questions. Raises RuntimeError when one finds nothing, unless what it meant may be `lost`."""
        found = {count: searches.ask(side, folder, said) for count, said in self._questions.items()}
        unanswered = [one.question for answers in found.values() for one in answers if not one.found]
        if unanswered and not lost:
            raise RuntimeError(f"{side} found nothing for {', '.join(unanswered)}")
        return found

    def _rebuilt(self, number: int) -> Run:
        argv = [sys.executable, "-m", "benchmarks.search", str(self._settings.data.content_db)]
        return processes.watched([*argv, str(self._folder / f"objects-{number}")])

    def _published(self) -> Period:
        """What publishes of new reviews write, one after the other, from one base of the index to the next."""
        settings = newsroom.filled(self._folder / "growing", self._size * 3 // 4, say=vocabulary.spread)
        site = Growing(settings, self._folder / "growing" / "objects")
        try:
            site.until_based_anew()
            return site.until_based_anew()
        finally:
            site.close()

    def _fullest(self) -> dict[int, list[Answer]]:
        """Answers at the last moment before a segment of the largest size and a new base are made.

        No other costs a reader more.
        """
        step, made = search_layout.SIZES[-1 if self._quick else 0], 0
        said = vocabulary.spread(generator.generate(20 * step, seed=10), seed=10)
        db = database.connect(self._settings.data.content_db, readonly=True)
        edited = [row[0] for row in db.execute("SELECT id FROM reviews ORDER BY slug")]
        random.Random(3).shuffle(edited)
        with Writer(self._settings.data.content_db) as writer:
            editor = db.execute("SELECT id FROM editors ORDER BY id").fetchone()[0]
            while not _is_fullest(db, step):
                one, made = next(said), made + 1
                body = markdown.render(one.markdown)
                if made % 2:
                    writer.run(partial(growing.create, draft=one.draft, body=body, editor_id=editor))
                else:
                    old = edited[made // 2 % len(edited)]
                    writer.run(partial(reviews.update, review_id=old, draft=one.draft, body=body))
        db.close()
        site = self._folder / "fullest"
        with Plant(self._settings) as parts:
            parts.builder().build()
            _lay(parts.ledger, parts.objects, site)
        return self._asked("ours", site, lost=True)

    def _cards(self) -> Iterator[Path]:
        return (self._folder / "site" / "content" / "search" / "cards").iterdir()


def _is_fullest(db: Database, step: int) -> bool:
    """Whether a segment is as long as it may be, and a new base is due before the next one is."""
    stands, based = effects.newest(db), next(effects.snapshots(db)).number
    heavy = (stands.log_weight - effects.at(db, based).log_weight) / max(stands.number - based, 1)
    return stands.number % step == step - 1 and stands.log_weight + step * heavy > stands.due


def _digests(folder: Path) -> dict[Path, str]:
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def _lay(ledger: Ledger, objects: Objects, folder: Path) -> None:
    """What the search page reads, as files, beside its scripts."""
    for row in ledger.desired():
        if row.key.startswith(("content/search/", "content/finder/", "search/", "assets/")):
            path = folder / row.key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(objects.get(row.body))
    shutil.copytree(_SCRIPTS, folder / "scripts")
    (folder / "scripts" / "package.json").write_text('{"type": "module"}', encoding="utf-8")


def _questions(settings: Settings, count: int, many: int) -> Iterator[str]:
    """Words that stand together in some review and say something, the same in every run."""
    chance = random.Random(count)
    db = database.connect(settings.data.content_db, readonly=True)
    texts = [row[0] for row in db.execute("SELECT plain FROM texts ORDER BY digest")]
    db.close()
    rank = {word: number for number, word in enumerate(vocabulary.words())}
    for text in chance.sample(texts, many):
        said = sorted({word for word in text.lower().split() if rank.get(word, 0) > len(vocabulary.SMALL)})
        yield " ".join(chance.sample([word for word in said if terms.term(word)], count))


def _results(size: str, sides: dict[str, Index]) -> Iterable[Result]:
    for quantity, unit, aim, values in _quantities():
        ours = values(sides[OURS])
        for side, index in sides.items():
            if not values(index):
                continue
            against = None if side == OURS else (OURS, ours)
            yield results.result(
                NAME, f"{size}: {side}", quantity, unit, values(index), against=against,
                aim=aim if side == OURS else None,
            )  # fmt: skip


def _quantities() -> Iterator[tuple[str, str, str | None, Measure]]:
    def first(index: Index, count: int) -> list[float]:
        return [one.first.bytes / 1e3 for one in index.answers[count]]

    def fullest(index: Index, count: int) -> list[float]:
        return [one.first.bytes / 1e3 for one in index.fullest.get(count, ())]

    for count, said in WORDS.items():
        yield f"first question, {said}", "kB", "≤ 60 kB", partial(first, count=count)
    for count, said in WORDS.items():
        yield f"the same at the fullest, {said}", "kB", "≤ 60 kB", partial(fullest, count=count)
    yield (
        "later ones, of three",
        "kB",
        None,
        lambda index: [one.later.bytes / 1e3 for one in index.answers[3] if one.later is not None],
    )
    yield "first question, of three", "requests", None, lambda index: [one.first.requests for one in index.answers[3]]
    yield "page and scripts", "kB", None, lambda index: [index.scripts / 1e3]
    yield "rebuild, wall clock", "s", None, lambda index: [one.seconds for one in index.runs]
    yield "rebuild, processor time", "s", None, lambda index: [one.cpu_seconds for one in index.runs]
    yield "rebuild, peak memory", "MB", None, lambda index: [one.peak_mb for one in index.runs]
    yield "written by a publish", "files", "≤ 5", lambda index: [index.files]
    yield "sent to the store by a publish", "kB", None, lambda index: [index.written / 1e3]


def _parts(size: int, answers: dict[int, list[Answer]], when: str = "") -> str:
    """What a first question of three words is made of, in the middle of those that were asked."""
    middle = sorted(answers[3], key=lambda one: one.first.bytes)[len(answers[3]) // 2]
    total: dict[str, int] = {}
    for folder, much in middle.first.parts.items():
        total[_named(folder)] = total.get(_named(folder), 0) + much
    said = ", ".join(f"{name} {much / 1e3:.1f}" for name, much in total.items())
    return f"{size:,} reviews{when}: a first question of three words to ours is made of, in kB: {said}."


def _period(size: int, period: Period) -> str:
    segments = period.files - period.based - 2 * period.publishes
    return (
        f"{size:,} reviews: {period.publishes:,} publishes, from {period.reviews[0]:,} reviews to {period.reviews[1]:,}"
        f", wrote {period.files:,} files: as many heads, and as many of what is shown, {segments:,} of segments, and "
        f"{period.based:,} of the new base."
    )


def _named(folder: str) -> str:
    known = {"/content/finder/": "products", "/content/search/cards": "what is shown"}
    return known.get(folder) or ("head" if folder == "/content/search/" else "indexes and shards")


def rebuild(content_db: str, folder: str) -> None:
    """The index from nothing, into a folder."""
    db, ledger, objects = database.connect(content_db, readonly=True), Ledger(":memory:"), Objects(Path(folder))
    Indexer(db, ledger, objects).index(clean=True)
    objects.close()


if __name__ == "__main__":
    rebuild(sys.argv[1], sys.argv[2])
