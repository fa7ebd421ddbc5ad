"""Where the lines of the portal's pictures go. No photographs are uploaded here: its pictures are drawn from data.

Pure geometry; templates put it into SVG and words. Units are said with each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from publisher.content.model import CameraSpec, LensSpec

Camera = tuple[str, str, str | None, float | None]
"""Slug, model, when it came out, crop factor: as `contexts.BrandPage` has it."""


class Format(NamedTuple):
    """A size of sensor: its name, usual width and height in mm, and the cameras that have it as (slug, model)."""

    name: str
    width: float
    height: float
    cameras: list[tuple[str, str]]


_FORMATS: tuple[tuple[float, str, float, float], ...] = (
    (0.9, "medium format", 43.8, 32.9),
    (1.15, "full frame", 36, 24),
    (1.42, "APS-H", 27.9, 18.6),
    (1.8, "APS-C", 23.5, 15.6),
    (2.3, "4/3″", 17.3, 13),
    (3.3, "1″", 13.2, 8.8),
    (math.inf, "smaller", 7.6, 5.7),
)
"""Crop factor below which a sensor is of the format, its name, its usual sides in mm."""


def formats(cameras: Sequence[Camera]) -> list[Format]:
    """The cameras by size of sensor, the largest first; those of unknown size last, under no name and without sides."""
    found = {name: Format(name, width, height, []) for _, name, width, height in _FORMATS}
    unknown = Format("", 0, 0, [])
    for slug, model, _, crop in cameras:
        name = _format(crop) if crop else ""
        found.get(name, unknown).cameras.append((slug, model))
    return [one for one in (*found.values(), unknown) if one.cameras]


class Moment(NamedTuple):
    """A camera on the time line: where along it (0 to 1), how many stand below it at that place, and which it is."""

    at: float
    above: int
    slug: str
    model: str
    released: str


class TimeLine(NamedTuple):
    """Cameras in the order in which they came out, and the years with their places along the line (0 to 1)."""

    moments: list[Moment]
    years: list[tuple[int, float]]
    height: int


class Sensor(NamedTuple):
    """A sensor: sides in mm, how they are known, the name of its format, its area as a part of full frame's.

    `is_full`: its sides are those of full frame but for a millimetre.
    """

    width: float
    height: float
    known: str
    format: str
    area: float
    is_full: bool


_FULL = (36.0, 24.0)


def sensor(spec: CameraSpec) -> Sensor | None:
    """The sensor of a camera; None when its size is not known.

    Its sides are as said in the spec sheet (`measured`), or follow from its crop factor, and from its aspect ratio
    (`computed`) or the one that sensors of its size have as a rule (`usual`).
    """
    if spec.sensor_width_mm and spec.sensor_height_mm:
        width, height, known = spec.sensor_width_mm, spec.sensor_height_mm, "measured"
    elif spec.crop_factor:
        sides = [float(side) for side in (spec.aspect_ratio or "").split(":") if side]
        known = "computed" if len(sides) == 2 and min(sides) > 0 else "usual"
        across, down = sides if known == "computed" else _usual(spec.crop_factor)
        diagonal = math.hypot(*_FULL) / spec.crop_factor
        width, height = (diagonal * side / math.hypot(across, down) for side in (across, down))
    else:
        return None
    crop = math.hypot(*_FULL) / math.hypot(width, height)
    is_full = abs(width - _FULL[0]) < 1 and abs(height - _FULL[1]) < 1
    area = width * height / (_FULL[0] * _FULL[1])
    return Sensor(round(width, 2), round(height, 2), known, _format(crop), area, is_full)


def _usual(crop: float) -> tuple[float, float]:
    """Width to height: 3:2 from full frame to APS-C, 4:3 above and below."""
    return (3, 2) if 0.9 <= crop < 1.8 else (4, 3)


def _format(crop: float) -> str:
    return next(name for below, name, *_ in _FORMATS if crop < below)


_COLUMNS = 48
"""Places along a time line that are told apart: what is nearer is stacked."""


def time_line(cameras: Sequence[Camera]) -> TimeLine | None:
    """When the cameras came out, as far as that is known; None when it is of fewer than three, or all of one year."""
    known = sorted((_moment(said), said, slug, model) for slug, model, said, _ in cameras if said)
    if len(known) < 3 or int(known[0][0]) == int(known[-1][0]):
        return None
    first, last = int(known[0][0]), int(known[-1][0]) + 1
    stacked: dict[int, int] = {}
    moments = []
    for when, said, slug, model in known:
        at = (when - first) / (last - first)
        column = round(at * _COLUMNS)
        moments.append(Moment(round(column / _COLUMNS, 4), stacked.get(column, 0), slug, model, said))
        stacked[column] = stacked.get(column, 0) + 1
    step = next(step for step in (1, 2, 5, 10, 25, 1000) if (last - first) / step <= 8)
    years = [(year, round((year - first) / (last - first), 4)) for year in range(-(-first // step) * step, last, step)]
    return TimeLine(moments, years, max(stacked.values()))


def _moment(said: str) -> float:
    """A year with its fraction; the middle of what is not said."""
    year, *rest = (int(part) for part in said.split("-"))
    month = rest[0] - 1 if rest else 6
    return year + month / 12


class Reach(NamedTuple):
    """A lens on a chart of focal length (across, 0 to 1, logarithmic) and aperture (down, 0 to 1, logarithmic)."""

    left: float
    right: float
    top_left: float
    top_right: float
    focals: tuple[tuple[int, float], ...]
    stops: tuple[tuple[str, float], ...]


_FOCALS = (8, 14, 24, 35, 50, 85, 135, 300, 600)
_STOPS = ("1.4", "2", "2.8", "4", "5.6", "8")
_SHORTEST, _LONGEST, _WIDEST, _NARROWEST = 6.0, 1200.0, 1.0, 11.0


def reach(spec: LensSpec) -> Reach | None:
    """Where a lens reaches, at its own focal lengths; None when its focal length or aperture is not known."""
    if not spec.focal_min_mm or not spec.aperture_wide:
        return None
    longest = max(spec.focal_max_mm or 0, spec.focal_min_mm)
    return Reach(
        left=_along(spec.focal_min_mm, _SHORTEST, _LONGEST),
        right=_along(longest, _SHORTEST, _LONGEST),
        top_left=_along(spec.aperture_wide, _WIDEST, _NARROWEST),
        top_right=_along(spec.aperture_tele or spec.aperture_wide, _WIDEST, _NARROWEST),
        focals=tuple((focal, _along(focal, _SHORTEST, _LONGEST)) for focal in _FOCALS),
        stops=tuple((stop, _along(float(stop), _WIDEST, _NARROWEST)) for stop in _STOPS),
    )


def _along(value: float, low: float, high: float) -> float:
    """Where `value` is between `low` and `high` on a logarithmic scale, as a fraction; 0 or 1 for what is beyond."""
    return round(min(max(math.log(value / low) / math.log(high / low), 0.0), 1.0), 4)
