"""Photograph every kind of page, at phone and desktop width, light and dark: `make screenshots ARGS=folder`."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.browser.chromium import DESKTOP, PHONE, launched
from tests.browser.test_portal import ADDRESSES
from tests.running import Up, read_until

REVIEWS = (
    ("La Leica M11 en la Patagonia", "Leica M11", ("viaje", "paisaje"), 8.5),
    ("Un mes con la X-T5: color antes que nitidez", "Fujifilm X-T5", ("viaje", "color"), 9.0),
    ("α7 IV, la cámara de todos los días", "Sony A7 IV", ("boda", "retrato"), 8.0),
    ("¿Alcanza una Canon EOS R10 para deportes?", "Canon EOS R10", ("deporte",), 7.0),
    ("Z 8: el pulso firme de una redacción", "Nikon Z 8", ("prensa", "noche"), None),
)
BODY = """## Primera impresión

Pesa lo justo. En la calle pasa inadvertida, y eso **vale más** que otro punto de resolución. Las fotos de este
ensayo se hicieron en dos semanas de viento, con luz dura al mediodía y casi nada de luz a la noche.

| ISO | ruido | color |
|----:|-------|-------|
| 400 | nada | fiel |
| 6400 | fino | algo frío |
| 25600 | notable | se apaga |

### El enfoque

> No buscaba la cámara perfecta, sino una que no estorbara.

1. De día, seguro.
2. Al atardecer, seguro con paciencia.
3. De noche, manual.

El detalle está en el visor[^1]. Con `AF-C` y detección de ojos, nueve de cada diez.

[^1]: A 120 cuadros por segundo se nota.
"""


def main(folder: Path) -> None:
    """Start the stack, publish a few reviews, and photograph."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, launched() as browser:
        up = Up(Path(home) / "data")
        try:
            token = up.token(up.ready["admin_password"])
            for title, camera, tags, rating in REVIEWS:
                up.post(
                    token, title=title, content=BODY, camera_model=camera, tags=tags, rating=rating,
                    pros=["Color que no pide retoque", "Batería para el día"], cons=["El precio"],
                )  # fmt: skip
            read_until(up.ready["edge"] + "/", REVIEWS[-1][0])
            places = [("portal", up.ready["edge"] + address) for address in ADDRESSES]
            places += [("compare", up.ready["edge"] + "/compare/?p=sony-alpha-7-iv,leica-m11,fujifilm-x-t5")]
            places += [("search", up.ready["edge"] + "/search/?q=a7iv"), ("api", up.ready["api"] + "/docs")]
            for width, height in (PHONE, DESKTOP):
                for scheme in ("light", "dark"):
                    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
                    page = context.new_page()
                    for kind, url in places:
                        page.goto(url)
                        page.wait_for_load_state("networkidle")
                        name = url.split("/", 3)[3].split("?")[0].strip("/").replace("/", "-") or "home"
                        page.screenshot(path=folder / f"{kind}-{name}-{width}-{scheme}.png", full_page=False)
                    context.close()
        finally:
            up.end()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make screenshots ARGS=…", description=main.__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("screenshots"), help="where the pictures go")
    main(parser.parse_args().folder)
