"""A thousand hostile bodies in a real Chromium: nothing of them runs, and each is dealt with in two seconds."""

from __future__ import annotations

import time
from contextlib import suppress

from playwright.sync_api import Browser

from publisher.errors import MarkdownError
from publisher.site import markdown
from tests import hostile

SECONDS = 2.0
BATCH = 50
# Parsed again twice, for markup that changes when it is; then the events that a reader and the page could cause.
PROVOKE = """() => {
  const ACTIVE = /^(script|style|iframe|object|embed|form|base|meta|link|svg|math|template)$/i;
  for (const box of document.querySelectorAll("div[data-body]")) {
    box.innerHTML = box.innerHTML;
    box.innerHTML = box.innerHTML;
  }
  const active = [];
  for (const one of document.querySelectorAll("div[data-body] *")) {
    for (const { name } of one.attributes) if (name.startsWith("on")) active.push(name);
    for (const name of ["href", "src", "action", "xlink:href", "data", "srcdoc"]) {
      const value = one.getAttribute(name);
      const bare = (value ?? "").replace(/[\\x00-\\x20]/g, "");
      if (/^(javascript|data|vbscript):/i.test(bare)) active.push(value);
    }
    if (ACTIVE.test(one.tagName)) active.push(one.tagName);
    for (const name of ["mouseover", "click", "focus", "toggle", "load", "error", "begin"]) {
      one.dispatchEvent(new Event(name, { bubbles: false, cancelable: true }));
    }
  }
  return active;
}"""


def run(browser: Browser, bodies: list[str]) -> tuple[int, list[str]]:
    """How often something ran, and what could, when these pieces of HTML are read and provoked.

    In a new window without any policy, so that nothing but the bodies' own safety keeps them from running.
    """
    context = browser.new_context()
    context.route("**/*", lambda route: route.abort())
    page = context.new_page()
    page.on("dialog", lambda dialog: dialog.dismiss())
    page.evaluate("() => { window.hits = 0; window.hit = () => { window.hits += 1; }; }")
    boxes = "".join(f"<div data-body>{html}</div>" for html in bodies)
    page.set_content(f"<!doctype html><title>x</title>{boxes}", wait_until="domcontentloaded")
    active: list[str] = page.evaluate(PROVOKE)
    page.evaluate("new Promise((done) => setTimeout(done, 20))")
    hits = int(page.evaluate("window.hits"))
    context.close()
    return hits, active


def test_nothing_of_a_thousand_hostile_bodies_runs(chromium: Browser) -> None:
    bodies = hostile.bodies()
    assert len(set(bodies)) == len(bodies) == hostile.BODIES
    made, slow = [], []
    for body in bodies:
        begun = time.process_time()
        with suppress(MarkdownError):  # refused, with a reason
            made.append(markdown.render(body).html)
        if (took := time.process_time() - begun) > SECONDS:
            slow.append((took, body[:40]))
    assert slow == []
    assert len(made) > hostile.BODIES * 0.9
    for at in range(0, len(made), BATCH):
        assert run(chromium, made[at : at + BATCH]) == (0, []), made[at : at + BATCH]


def test_the_provocation_makes_planted_code_run(chromium: Browser) -> None:
    for planted in (
        "<img src=x onerror=hit()>",
        "<b onmouseover=hit()>x</b>",
        "<svg onload=hit()></svg>",
        "<details ontoggle=hit()>x</details>",
    ):
        hits, active = run(chromium, [planted])
        assert hits > 0, planted
        assert active, planted
    assert run(chromium, ["<p>words</p>"]) == (0, [])
    assert run(chromium, ["<a href='java\tscript:hit()'>x</a>"])[1], "an address that is code"
