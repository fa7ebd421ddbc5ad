"""Pictures are to scale: sensors in millimetres, lenses on logarithmic scales, cameras along the years."""

from __future__ import annotations

import math

import pytest

from publisher.content.model import CameraSpec, LensSpec
from publisher.site import drawings


@pytest.mark.parametrize(
    ("spec", "sides", "known", "format_"),
    [
        (
            CameraSpec(sensor_width_mm=35.9, sensor_height_mm=23.9, crop_factor=9),
            (35.9, 23.9),
            "measured",
            "full frame",
        ),
        (CameraSpec(crop_factor=1.5, aspect_ratio="3:2"), (24, 16), "computed", "APS-C"),
        (CameraSpec(crop_factor=1.61), (22.36, 14.91), "usual", "APS-C"),
        (CameraSpec(crop_factor=2), (17.31, 12.98), "usual", "4/3″"),
        (CameraSpec(crop_factor=0.79), (43.81, 32.86), "usual", "medium format"),
        (CameraSpec(crop_factor=5.6, aspect_ratio="0:0"), (6.18, 4.64), "usual", "smaller"),
    ],
)
def test_a_sensor_has_its_size_and_says_how_it_is_known(
    spec: CameraSpec, sides: tuple[float, float], known: str, format_: str
) -> None:
    found = drawings.sensor(spec)
    assert found is not None
    assert (found.width, found.height, found.known, found.format) == (*sides, known, format_)
    assert math.isclose(found.area, sides[0] * sides[1] / 864, rel_tol=1e-2)
    assert found.is_full == (format_ == "full frame")


def test_a_sensor_of_unknown_size_is_not_drawn() -> None:
    assert drawings.sensor(CameraSpec(megapixels=20)) is None


def test_a_doubling_takes_the_same_way_anywhere_on_a_scale() -> None:
    def left(focal: float, aperture: float) -> tuple[float, float]:
        found = drawings.reach(LensSpec(focal_min_mm=focal, aperture_wide=aperture))
        assert found is not None
        assert (found.left, found.top_left) == (found.right, found.top_right), "of one focal length"
        return found.left, found.top_left

    steps = [left(focal, aperture) for focal, aperture in ((25, 1.4), (50, 2.8), (100, 5.6))]
    assert math.isclose(steps[1][0] - steps[0][0], steps[2][0] - steps[1][0], abs_tol=1e-3)
    assert math.isclose(steps[1][1] - steps[0][1], steps[2][1] - steps[1][1], abs_tol=1e-3)
    assert left(5000, 64) == (1, 1), "what is beyond a scale stays at its end"


def test_a_zoom_reaches_from_its_one_end_to_the_other() -> None:
    found = drawings.reach(LensSpec(focal_min_mm=24, focal_max_mm=240, aperture_wide=4, aperture_tele=6.3))
    assert found is not None
    assert found.left == dict(found.focals)[24]
    assert found.left < found.right
    assert found.top_left == dict(found.stops)["4"]
    assert found.top_left < found.top_right
    assert drawings.reach(LensSpec(focal_min_mm=24)) is None


def test_cameras_stand_by_size_of_sensor() -> None:
    cameras = [("a", "A", None, 1.5), ("b", "B", None, 1.0), ("c", "C", None, None), ("d", "D", None, 1.6)]
    found = drawings.formats(cameras)
    assert [(one.name, one.cameras) for one in found] == [
        ("full frame", [("b", "B")]), ("APS-C", [("a", "A"), ("d", "D")]), ("", [("c", "C")]),
    ]  # fmt: skip


def test_cameras_stand_along_the_years_in_their_order() -> None:
    said = ["2021-10-21", "2013", None, "2018-02", "2018-02", "2013-07"]
    line = drawings.time_line([(f"c{number}", f"C{number}", when, 1.0) for number, when in enumerate(said)])
    assert line is not None
    assert [one.slug for one in line.moments] == ["c1", "c5", "c3", "c4", "c0"]
    assert [one.above for one in line.moments] == [0, 1, 0, 1, 0], "of one moment: one above the other"
    assert line.height == 2
    places = [one.at for one in line.moments]
    assert places == sorted(places)
    years = dict(line.years)
    assert years[2014] < line.moments[2].at < years[2020]
    assert all(0 <= place < 1 for place in years.values())


@pytest.mark.parametrize(
    "said", [[], ["2020", "2021"], ["2020-01", "2020-06", "2020-09"], [None, None, "2020", "2021"]]
)
def test_too_few_years_make_no_line(said: list[str | None]) -> None:
    assert drawings.time_line([(f"c{number}", "C", when, 1.0) for number, when in enumerate(said)]) is None
