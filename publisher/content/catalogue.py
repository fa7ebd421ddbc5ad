"""The catalogue that every site starts with: the cameras and lenses of the lensfun database.

The database is the folder of XML files that ships in the package `lensfunpy`; they are read where they lie, without
importing the package (that would load NumPy). Left out, and counted, is what a reader could not buy or look for:
generic and film entries, the lens built into a compact camera, and a lens together with an extender.

Data: https://lensfun.github.io, CC BY-SA 3.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import msgspec

from publisher.content import history, names, products, regions
from publisher.content.model import CameraSpec, Kind, LensSpec, Product, Source, Spec, figures
from publisher.content.writer import Transaction, Writer
from publisher.errors import ImportSourceError

SOURCE = "Lensfun database (CC BY-SA 3.0)"
CHUNK = 250
"""Products in one operation: other writers wait for one chunk at most."""

_BRANDS = {
    "carl zeiss": "Zeiss", "lg mobile": "LG", "om digital solutions": "OM System", "seiko epson": "Epson",
    "asahi optical": "Pentax", "eastman kodak": "Kodak", "samsung techwin": "Samsung", "aee dv": "AEE",
    "venus": "Laowa", "canon": "Canon", "fujifilm": "Fujifilm", "nikon": "Nikon", "olympus": "Olympus",
    "ricoh imaging": "Ricoh", "casio computer": "Casio", "leica camera": "Leica",
}  # fmt: skip
"""Makers by their clean names; a maker not here keeps its own, less what `_COMPANY` finds."""
_COMPANY = re.compile(
    r"(?:[\s,.]+(?:corporation|corp|company|co|ltd|inc|ag|imaging|optical|camera|electronics))+[\s.]*$", re.IGNORECASE
)
_FORMAT = re.compile(r"\s+\(?\d+:\d+\)?$")
_NOT_A_PRODUCT = re.compile(r"\bfilm\b|\bcrop.?factor\b|& compatibles| \+ |\bconverter\b", re.IGNORECASE)
_PREFIX = re.compile(r"^(?:DMC-|DC-|EOS (?:Digital )?Rebel )(?=.)")
_SUFFIX = re.compile(r" (?:\(Typ \d+\)|Digital Camera)$")
"""What people leave out when they name a camera: they say "Lumix GH5", "Canon T7i", "Leica Q"."""
_NUMBER = r"(\d+(?:[.,]\d+)?)"
_SPAN = rf"{_NUMBER}(?:\s*[-–]\s*{_NUMBER})?"
_FOCAL = re.compile(rf"(?<![/\d.,]){_SPAN}(?:\s*mm|(?=/F\d))", re.IGNORECASE)
_APERTURE = re.compile(rf"(?:\b|(?<=mm))(?:f\s*/\s*|f(?=\d)|1:\s*){_SPAN}", re.IGNORECASE)
_APERTURE_BY_FOCAL = re.compile(rf"\b{_SPAN}/{_SPAN}(?!/)")
"""The order of Zeiss, Leica and Soviet makers: `Makro-Planar T* 2/100`, `Summicron-M 1:2/28`."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A product as the catalogue knows it."""

    brand: str
    model: str
    aliases: tuple[str, ...]
    spec: Spec

    @property
    def kind(self) -> Kind:
        """`camera` or `lens`."""
        return "lens" if isinstance(self.spec, LensSpec) else "camera"

    @property
    def name(self) -> str:
        """Brand and model, the brand once."""
        return self.model if names.fold(self.model).startswith(names.fold(self.brand)) else f"{self.brand} {self.model}"


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """Every product of the database, and how many of its entries are not products for readers."""

    entries: tuple[Entry, ...]
    left_out: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What loading the catalogue did: products added, spec sheets filled in, products left as they were."""

    added: int
    filled: int
    known: int
    left_out: int


def folder() -> Path:
    """Where the installed database lies; ImportSourceError when the package is not installed."""
    spec = find_spec("lensfunpy")
    place = None if spec is None or spec.origin is None else Path(spec.origin).parent / "db_files"
    if place is None or not place.is_dir():
        raise ImportSourceError("the lensfun database is not installed; install lensfunpy")
    return place


def entries(place: Path | None = None) -> list[Entry]:
    """Every camera, then every lens, by brand and model; the same list for the same files."""
    return list(read(place).entries)


def read(place: Path | None = None) -> Catalogue:
    """Read the database at `place` (the installed one by default). Raises ImportSourceError when it is damaged.

    Two entries that share a name are one product: a camera has an entry for each format it records.
    """
    met: list[Entry | None] = []
    by_name: dict[tuple[Kind, str], int] = {}
    left_out = 0
    for element in _elements(folder() if place is None else place):
        entry = _camera(element) if element.tag == "camera" else _lens(element)
        if entry is None:
            left_out += 1
            continue
        for number in sorted({by_name[key] for key in _keys(entry) if key in by_name}, reverse=True):
            if (same := met[number]) is not None:
                entry, met[number] = _merged(same, entry), None
        by_name.update(dict.fromkeys(_keys(entry), len(met)))
        met.append(entry)
    found = [entry for entry in met if entry is not None]
    found.sort(key=lambda entry: (entry.kind, names.fold(entry.brand), names.fold(entry.model)))
    return Catalogue(entries=tuple(found), left_out=left_out)


def load(writer: Writer, catalogue: Catalogue | None = None) -> Summary:
    """Add what is not there yet; a second call changes nothing.

    A product that is known under the entry's name is left alone, unless nobody has said more of it than its name: then
    its empty spec sheet is filled in.
    """
    wanted = read() if catalogue is None else catalogue
    chunks = [wanted.entries[start : start + CHUNK] for start in range(0, len(wanted.entries), CHUNK)]
    answers = [writer.submit(partial(install, wanted=chunk), actor="catalogue") for chunk in chunks]
    counts = [future.result() for future in answers]
    added, filled = sum(count[0] for count in counts), sum(count[1] for count in counts)
    known = len(wanted.entries) - added - filled
    return Summary(added=added, filled=filled, known=known, left_out=wanted.left_out)


def install(tx: Transaction, wanted: Iterable[Entry]) -> tuple[int, int]:
    """Add the entries that nobody knows and fill in empty spec sheets; returns how many of each."""
    added = filled = 0
    for entry in wanted:
        held = next(iter(products.candidates(tx.db, entry.kind, entry.name)), None)
        if held is None:
            products.create(
                tx, brand=entry.brand, model=entry.model, spec=entry.spec, aliases=entry.aliases,
                sources=_sources(entry.spec), source=SOURCE,
            )  # fmt: skip
            added += 1
        elif _is_mere_name(tx, held):
            aliases = (*held.aliases, *(alias for alias in (entry.model, *entry.aliases) if alias != held.model))
            products.update(tx, held.id, aliases=aliases, spec=entry.spec, sources=_sources(entry.spec), source=SOURCE)
            filled += 1
    return added, filled


def _is_mere_name(tx: Transaction, held: Product) -> bool:
    """Whether nobody has said more of a product than its name."""
    return not held.source and held.spec == type(held.spec)() and history.is_as_made(tx.db, held.id)


def _sources(spec: Spec) -> dict[str, Source]:
    """Lensfun as the source of every figure that is known."""
    return {name: Source(origin="lensfun") for name, value in figures(spec).items() if value not in (None, ())}


def _elements(place: Path) -> Iterator[ElementTree.Element]:
    files = sorted(place.glob("*.xml"))
    if not files:
        raise ImportSourceError(f"{place} holds no lensfun database")
    for file in files:
        try:
            root = ElementTree.parse(file).getroot()
        except ElementTree.ParseError as error:
            raise ImportSourceError(f"{file.name} is not XML: {error}") from error
        yield from (element for element in root if element.tag in ("camera", "lens"))


def _camera(element: ElementTree.Element) -> Entry | None:
    brand, model, aliases = _named(element)
    if brand == "Generic" or _NOT_A_PRODUCT.search(model):
        return None
    model, *elsewhere = regions.models(brand, model)
    known = (*elsewhere, *aliases)
    short = (pattern.sub("", name) for name in (model, *known) for pattern in (_PREFIX, _SUFFIX))
    mount = element.findtext("mount") or ""
    spec = CameraSpec(
        mount=None if _private(mount) else mount,
        crop_factor=_number(element.findtext("cropfactor")),
        aspect_ratio=element.findtext("aspect-ratio"),
    )
    return Entry(brand=brand, model=model, aliases=names.others(model, (*known, *short)), spec=spec)


def _lens(element: ElementTree.Element) -> Entry | None:
    brand, model, aliases = _named(element)
    mounts = tuple(dict.fromkeys(mount.text.strip() for mount in element.iterfind("mount") if mount.text))
    if brand == "Generic" or all(_private(mount) for mount in mounts) or _NOT_A_PRODUCT.search(model):
        return None
    spec = _optics(element, model, aliases)
    spec = msgspec.structs.replace(spec, mounts=mounts, crop_factor=_number(element.findtext("cropfactor")))
    return Entry(brand=brand, model=model, aliases=names.others(model, aliases), spec=spec)


def _private(mount: str) -> bool:
    """Whether a mount is the name that the database gives to one camera's built-in lens, such as `canonG7X`."""
    return not mount or mount[0].islower()


def _named(element: ElementTree.Element) -> tuple[str, str, tuple[str, ...]]:
    """Brand, model as it is sold, and its other names, none with the brand in front."""
    makers, models = _texts(element, "maker"), _texts(element, "model")
    brand = _brand(makers.get("en") or makers[""])
    if brand == "Ricoh" and any(names.fold(model).startswith("pentax ") for model in models.values()):
        brand = "Pentax"
    spoken = {lang: _bare(brand, _FORMAT.sub("", text)) for lang, text in models.items() if lang != "de"}
    model = spoken.get("en") or spoken[""]
    return brand, model, tuple(spoken.values())


def _texts(element: ElementTree.Element, tag: str) -> dict[str, str]:
    """The texts of the children called `tag` by language, `""` for the one that files carry."""
    return {child.get("lang", ""): " ".join((child.text or "").split()) for child in element.iterfind(tag)}


def _brand(maker: str) -> str:
    words = _COMPANY.sub("", maker).strip(" ,.") or maker
    return _BRANDS.get(maker.casefold()) or _BRANDS.get(words.casefold(), words)


def _bare(brand: str, model: str) -> str:
    if names.fold(model).startswith(names.fold(brand) + " "):
        return model[len(brand) :].strip()
    return model


def _merged(first: Entry, second: Entry) -> Entry:
    """One entry for two of the same product: the first one's words, and what only the second one knows."""
    one, other = msgspec.structs.asdict(first.spec), msgspec.structs.asdict(second.spec)
    known = {name: other[name] if one[name] is None else one[name] for name in one}
    if "mounts" in known:
        known["mounts"] = tuple(dict.fromkeys((*one["mounts"], *other["mounts"])))
    return Entry(
        brand=first.brand,
        model=first.model,
        aliases=names.others(first.model, (*first.aliases, second.model, *second.aliases)),
        spec=type(first.spec)(**known),
    )


def _keys(entry: Entry) -> list[tuple[Kind, str]]:
    return [(entry.kind, form) for form in names.spellings(entry.brand, entry.model, entry.aliases)[0]]


def _optics(element: ElementTree.Element, model: str, aliases: Iterable[str]) -> LensSpec:
    """Focal lengths and apertures as the file's elements have them, else as the names say them."""
    focal = aperture = None
    for name in (model, *aliases):
        shot, stop, both = _FOCAL.search(name), _APERTURE.search(name), _APERTURE_BY_FOCAL.search(name)
        focal = focal or _range(shot) or _range(both, 3)
        aperture = aperture or _range(stop) or _range(both)
    low, high = focal or (None, None)
    wide, tele = aperture or (None, None)
    given = element.find("focal")
    if given is not None:
        low = _number(given.get("min") or given.get("value"))
        high = _number(given.get("max") or given.get("value"))
    return LensSpec(focal_min_mm=low, focal_max_mm=high, aperture_wide=wide, aperture_tele=tele)


def _range(match: re.Match[str] | None, group: int = 1) -> tuple[float, float] | None:
    """Both ends of a span such as `18-55`, or the one number twice."""
    if match is None:
        return None
    low, high = match[group].replace(",", "."), (match[group + 1] or match[group]).replace(",", ".")
    return float(low), float(high)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
