"""The JavaScript client in a real Chromium, with its copy in IndexedDB: whole, atomic, and there without a network."""

from __future__ import annotations

import functools
import http.server
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests import vectors
from tests.clients.test_vectors import DESCRIBED, expected
from tests.serving import serving

CLIENTS = vectors.FOLDER.parent
VERSIONS = sorted(int(path.stem) for path in (vectors.FOLDER / "heads").glob("*.jws"))
NEWEST, BEGIN = VERSIONS[-1], VERSIONS[2]
SETUP = """
async ([base, site, now]) => {
  const { Client, UnreachableError } = await import(base + "/javascript/src/content.js");
  const { IndexedDbStore } = await import(base + "/javascript/src/stores.js");
  window.open_ = async (newest, good = 99, store = null) => {
    const asked = [];
    const fetch_ = async (path) => {
      if (asked.length >= good) throw new UnreachableError("unreachable", "planted");
      asked.push(path);
      const usual = { "/content/sync/head.jws": `/heads/${newest}.jws`, "/.well-known/jwks.json": "/keys.json" }[path];
      const answer = await fetch(base + "/vectors" + (usual ?? "/site" + path));
      return new Uint8Array(await answer.arrayBuffer());
    };
    store ??= await IndexedDbStore.open();
    const client = new Client(site, store, { fetch: fetch_, clock: () => Date.parse(now) });
    return { client, store, asked };
  };
  window.state = async (client) => {
    const reviews = [];
    for await (const { editor, product, ...review } of client.reviews()) reviews.push(review);
    reviews.sort((a, b) => (a.id < b.id ? -1 : 1));
    return { editors: await client.editors(), products: await client.products(), reviews };
  };
}
"""


@pytest.fixture(scope="module")
def files() -> Iterator[str]:
    """The address of a server of the folder `clients`."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    handler = functools.partial(Quiet, directory=str(CLIENTS))
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture
def page(chromium: Browser, files: str) -> Iterator[Page]:
    """A page with an empty database and the client loaded."""
    context = chromium.new_context()
    window = context.new_page()
    load(window, files)
    yield window
    context.close()


def load(window: Page, files: str) -> None:
    window.goto(files + "/vectors/keys.json")
    window.evaluate(SETUP, [files, DESCRIBED["site"], DESCRIBED["now"]])


def run(page: Page, script: str, *values: Any) -> Any:
    return page.evaluate(f"async (values) => {{ {script} }}", list(values))


def test_a_copy_comes_up_to_date_and_stays(page: Page, files: str) -> None:
    script = "const { client } = await open_(values[0]); await client.sync(); return state(client);"
    assert run(page, script, BEGIN) == expected(BEGIN)
    load(page, files)
    offline = "const { client } = await open_(values[0], 0); return [await client.version(), await state(client)];"
    assert run(page, offline, BEGIN) == [BEGIN, expected(BEGIN)]
    assert run(page, script, NEWEST) == expected(NEWEST)


def test_reviews_are_found_by_product_and_tag(page: Page) -> None:
    whole = expected(NEWEST)
    product = whole["reviews"][0]["product_id"] or whole["products"][0]["id"]
    script = """
      const { client } = await open_(values[0]); await client.sync();
      const found = [];
      for (const choice of [{ product: values[1] }, { tag: "viaje" }, { tag: "viaje", product: values[1] }]) {
        const ids = [];
        for await (const review of client.reviews(choice)) ids.push(review.id);
        found.push(ids);
      }
      return found;
    """
    found = run(page, script, NEWEST, product)
    newest_first = sorted(whole["reviews"], key=lambda one: (one["published_at"], one["id"]), reverse=True)
    of_product = [one["id"] for one in newest_first if one["product_id"] == product]
    tagged = [one["id"] for one in newest_first if any(tag["slug"] == "viaje" for tag in one["tags"])]
    assert found == [of_product, tagged, [one for one in tagged if one in of_product]]
    assert of_product


def test_a_broken_connection_changes_nothing_and_costs_nothing_twice(page: Page) -> None:
    script = """
      let { client, asked } = await open_(values[0]); await client.sync();
      const all = (await open_(values[1])).client; const broken = await open_(values[1], 3);
      const error = await broken.client.sync().catch((error) => error.code);
      const between = [error, await client.version(), await state(client)];
      const again = await open_(values[1]); await again.client.sync();
      const twice = again.asked.filter((path) => broken.asked.includes(path) && path.includes("/v1/"));
      return [...between, twice, await state(again.client)];
    """
    found = run(page, script, BEGIN, NEWEST)
    assert found == ["unreachable", BEGIN, expected(BEGIN), [], expected(NEWEST)]


def test_a_version_is_applied_whole_or_not_at_all(page: Page) -> None:
    script = """
      const { client, store } = await open_(values[0]); await client.sync();
      const apply = store.apply.bind(store);
      let read = 0;
      store.apply = (names, parse, facts, afresh) =>
        apply(names, (body) => { if (++read > 1) throw new Error("planted"); return parse(body); }, facts, afresh);
      const second = await open_(values[1], 99, store);
      const error = await second.client.sync().catch((error) => error.message);
      return [error, await client.version(), await state(client)];
    """
    assert run(page, script, BEGIN, NEWEST) == ["planted", BEGIN, expected(BEGIN)]
