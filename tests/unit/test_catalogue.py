"""The catalogue: what the lensfun database says of cameras and lenses, and that loading it twice is loading it once."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from publisher.content import catalogue, log, products, regions
from publisher.content.catalogue import Catalogue, Entry
from publisher.content.model import CameraSpec, LensSpec, Product
from publisher.content.writer import Transaction, Writer
from publisher.errors import ImportSourceError

Store = tuple[Writer, Path]


@pytest.fixture(scope="module")
def whole() -> Catalogue:
    """The installed database."""
    return catalogue.read()


def named(whole: Catalogue, name: str) -> Entry:
    return next(entry for entry in whole.entries if entry.name == name)


def find(tx: Transaction, entry: Entry) -> Product | None:
    return products.find(tx.db, entry.kind, entry.name)


def small(tmp_path: Path, *elements: str) -> Catalogue:
    (tmp_path / "a.xml").write_text(f"<lensdatabase>{''.join(elements)}</lensdatabase>", encoding="utf-8")
    return catalogue.read(tmp_path)


def test_it_holds_what_the_database_holds(whole: Catalogue) -> None:
    cameras = [entry for entry in whole.entries if entry.kind == "camera"]
    assert len(cameras) > 800
    assert len(whole.entries) - len(cameras) > 850
    assert whole.left_out > 250


def test_reading_it_loads_no_library_of_numbers() -> None:
    program = "import sys; from publisher.content import catalogue; catalogue.read(); print('numpy' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ran.stdout == "False\n"


def test_it_is_the_same_each_time(whole: Catalogue) -> None:
    assert catalogue.entries() == list(whole.entries)
    assert [entry.kind for entry in whole.entries] == sorted(entry.kind for entry in whole.entries)


def test_a_camera_is_called_as_it_is_sold(whole: Catalogue) -> None:
    alpha = named(whole, "Sony Alpha 7 IV")
    assert alpha.aliases == ("ILCE-7M4",)
    assert alpha.spec == CameraSpec(mount="Sony E", crop_factor=1.0)
    assert named(whole, "Leica Q (Typ 116)").aliases == ("Q",)


def test_a_camera_with_other_names_elsewhere_is_one_product(whole: Catalogue) -> None:
    assert named(whole, "Canon EOS 800D").aliases == ("EOS Rebel T7i", "EOS Kiss X9i", "T7i")
    assert named(whole, "Panasonic DMC-GX80").aliases == ("DMC-GX85", "DMC-GX7MK2", "GX80", "GX85", "GX7MK2")
    sold = {name for entry in whole.entries for name in (entry.model, *entry.aliases)}
    groups = [regions.models(entry.brand, entry.model) for entry in whole.entries if entry.kind == "camera"]
    assert all(set(group) <= sold for group in groups)
    assert sum(len(group) > 1 for group in groups) > 40


def test_brands_are_clean(whole: Catalogue) -> None:
    brands = {entry.brand for entry in whole.entries}
    assert {"Nikon", "Olympus", "OM System", "Leica", "Pentax", "Zeiss", "Konica Minolta"} <= brands
    assert not [
        brand for brand in brands if any(sign in brand.casefold() for sign in ("corp", ",", "co.", "gmbh", " ag"))
    ]
    assert len({brand.casefold() for brand in brands}) == len(brands)


@pytest.mark.parametrize(
    ("model", "focal", "aperture"),
    [
        ("AF 24-70mm f/2.8", (24, 70), (2.8, 2.8)),
        ("18-55mm f/3.5-5.6 IS", (18, 55), (3.5, 5.6)),
        ("XF16mmF2.8 R WR", (16, 16), (2.8, 2.8)),
        ("Makro-Planar T* 2/100", (100, 100), (2, 2)),
        ("Elmarit-SL 1:2.8/24-70 ASPH.", (24, 70), (2.8, 2.8)),
        ("Retina 1:4/28mm", (28, 28), (4, 4)),
        ("S 20-60/F3.5-5.6", (20, 60), (3.5, 5.6)),
        ("Skoparex 1:3,4/35", (35, 35), (3.4, 3.4)),
        ("smc Pentax-F 28mm f/2.8", (28, 28), (2.8, 2.8)),
        ("Flektogon 4/20mm", (20, 20), (4, 4)),
        ("Helios-44", (None, None), (None, None)),
    ],
)
def test_a_lens_says_its_focal_range_and_apertures(
    tmp_path: Path, model: str, focal: tuple[float, float], aperture: tuple[float, float]
) -> None:
    found = small(tmp_path, f"<lens><maker>Acme</maker><model>{model}</model><mount>M42</mount></lens>")
    spec = found.entries[0].spec
    assert isinstance(spec, LensSpec)
    assert (spec.focal_min_mm, spec.focal_max_mm) == focal
    assert (spec.aperture_wide, spec.aperture_tele) == aperture


def test_an_element_goes_over_the_name(tmp_path: Path) -> None:
    lens = "<lens><maker>Acme</maker><model>Old 50mm</model><mount>M42</mount><focal value='51.6'/></lens>"
    spec = small(tmp_path, lens).entries[0].spec
    assert isinstance(spec, LensSpec)
    assert spec.focal_min_mm == spec.focal_max_mm == 51.6


def test_nearly_every_lens_says_them(whole: Catalogue) -> None:
    specs = [entry.spec for entry in whole.entries if isinstance(entry.spec, LensSpec)]
    silent = [spec for spec in specs if spec.focal_min_mm is None or spec.aperture_wide is None]
    assert len(silent) < 15
    for spec in specs:
        if spec.focal_min_mm is not None and spec.focal_max_mm is not None:
            assert 1 < spec.focal_min_mm <= spec.focal_max_mm <= 2000
        if spec.aperture_wide is not None and spec.aperture_tele is not None:
            assert 0.8 < spec.aperture_wide <= 12


def test_what_is_no_product_is_left_out(tmp_path: Path) -> None:
    found = small(
        tmp_path,
        "<lens><maker>Canon</maker><model>G7 &amp; compatibles</model><mount>canonG7</mount></lens>",
        "<lens><maker>Canon</maker><model>EF 70mm f/4 + EF 1.4x extender</model><mount>Canon EF</mount></lens>",
        "<camera><maker>Generic</maker><model>Crop-factor 1.5</model><mount>Generic</mount></camera>",
        "<camera><maker>Canon</maker><model>35mm film: full frame</model><mount>Canon EF</mount></camera>",
        "<camera><maker>Canon</maker><model>G7</model><mount>canonG7</mount></camera>",
    )
    assert [entry.name for entry in found.entries] == ["Canon G7"]
    assert found.entries[0].spec == CameraSpec()
    assert found.left_out == 4


def test_formats_and_spellings_of_one_product_are_merged(tmp_path: Path) -> None:
    found = small(
        tmp_path,
        "<camera><maker>Canon</maker><model>Canon G5 X</model><mount>g5</mount><cropfactor>2.7</cropfactor></camera>",
        "<camera><maker>CANON</maker><model>Canon G5 X 4:3</model><mount>g5</mount>"
        "<aspect-ratio>4:3</aspect-ratio></camera>",
        "<lens><maker>Acme</maker><model>AF 10mm f/2</model><mount>M42</mount></lens>",
        "<lens><maker>Acme</maker><model>AF-10mm F2</model><mount>Canon EF</mount></lens>",
    )
    camera, lens = found.entries
    assert camera.spec == CameraSpec(crop_factor=2.7, aspect_ratio="4:3")
    assert isinstance(lens.spec, LensSpec)
    assert lens.spec.mounts == ("M42", "Canon EF")


def test_loading_twice_is_loading_once(fresh_store: Store, whole: Catalogue) -> None:
    writer, _ = fresh_store
    started = time.process_time()
    first = catalogue.load(writer, whole)
    assert time.process_time() - started < 10  # 0.5 s
    assert first.added + first.known == len(whole.entries)
    assert first.known <= 5
    head = writer.run(lambda tx: log.head(tx.db))
    again = catalogue.load(writer, whole)
    assert (again.added, again.filled, again.known) == (0, 0, len(whole.entries))
    assert writer.run(lambda tx: log.head(tx.db)) == head
    assert writer.run(lambda tx: log.first_broken(tx.db)) is None


def test_every_product_is_found_by_its_name(fresh_store: Store, whole: Catalogue) -> None:
    writer, _ = fresh_store
    catalogue.load(writer, whole)
    some = whole.entries[::7]
    for entry, found in zip(some, writer.run(lambda tx: [find(tx, one) for one in some]), strict=True):
        assert found is not None, entry.name
        assert found.source == catalogue.SOURCE or found.model in entry.name


def test_an_editor_s_product_is_left_alone(fresh_store: Store) -> None:
    writer, _ = fresh_store
    mine = writer.run(lambda tx: products.find_or_create(tx, "camera", "Nikon D850"))
    mine = writer.run(lambda tx: products.update(tx, mine.id, spec=CameraSpec(megapixels=45.7)))
    offered = Entry(brand="Nikon", model="D850", aliases=(), spec=CameraSpec(mount="Nikon F AF"))
    summary = catalogue.load(writer, Catalogue(entries=(offered,), left_out=0))
    assert (summary.added, summary.filled, summary.known) == (0, 0, 1)
    assert writer.run(lambda tx: products.get(tx.db, mine.id)) == mine


def test_a_product_that_only_has_a_name_gets_its_spec_sheet(fresh_store: Store) -> None:
    writer, _ = fresh_store
    bare = writer.run(lambda tx: products.find_or_create(tx, "camera", "Sony A7S II"))
    offered = Entry(brand="Sony", model="Alpha 7S II", aliases=("ILCE-7SM2",), spec=CameraSpec(mount="Sony E"))
    assert catalogue.load(writer, Catalogue(entries=(offered,), left_out=0)).filled == 1
    assert catalogue.load(writer, Catalogue(entries=(offered,), left_out=0)).known == 1
    filled = writer.run(lambda tx: products.get(tx.db, bare.id))
    assert filled.spec == offered.spec
    assert filled.source == catalogue.SOURCE
    assert filled.slug == bare.slug
    assert writer.run(lambda tx: products.find(tx.db, "camera", "ILCE-7SM2")) == filled


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImportSourceError, match="no lensfun database"):
        catalogue.read(tmp_path)
    (tmp_path / "bad.xml").write_text("<lensdatabase><camera>", encoding="utf-8")
    with pytest.raises(ImportSourceError, match=r"bad\.xml is not XML"):
        catalogue.read(tmp_path)
