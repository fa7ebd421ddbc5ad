"""Author's raw HTML is brought into the shape that HTML allows, and no word of it is lost."""

from __future__ import annotations

import pytest

from publisher.site import markdown
from publisher.site.tidy import tidy


@pytest.mark.parametrize(
    ("written", "put"),
    [
        ("<ul><p>a</p>b<li>c</li><p>d</p></ul>", "<ul><li><p>a</p>b</li><li>c</li><li><p>d</p></li></ul>"),
        ("<ol><ul><li>x</li></ul></ol>", "<ol><li><ul><li>x</li></ul></li></ol>"),
        ("<div><li>x</li></div>", "<div><div>x</div></div>"),
        ("<figcaption>x</figcaption>", "<div>x</div>"),
        ("<figure><figcaption>x</figcaption></figure>", "<figure><figcaption>x</figcaption></figure>"),
        ("<h2><p>a</p>b</h2>", "<h2> a b</h2>"),
        ("<h2><a><div>a</div></a></h2>", "<h2><a> a </a></h2>"),
        ("<a><div>a</div></a>", "<a><div>a</div></a>"),
        ("<ul>\n<li>a</li>\n</ul>", "<ul>\n<li>a</li>\n</ul>"),
        ("<details> <summary>a</summary><p>b</p></details>", "<details><summary>a</summary><p>b</p></details>"),
        ("<details><p>b</p><summary>a</summary></details>", "<div><p>b</p><div>a</div></div>"),
        (
            "<details><summary>a</summary><summary>b</summary></details>",
            "<details><summary>a</summary><div>b</div></details>",
        ),
        ("<dt>a</dt>", "<div>a</div>"),
        ("<p>a<br>b</p><hr>", "<p>a<br>b</p><hr>"),
        ('<p>a <img src="x" alt="b > c"> d</p>', '<p>a <img src="x" alt="b > c"> d</p>'),
        ("", ""),
    ],
)
def test_each_element_ends_up_where_it_may_stand(written: str, put: str) -> None:
    assert tidy(written) == put


def test_what_is_right_is_left_as_it_is() -> None:
    html = markdown.render("# A\n\n- a\n\n  b\n- c\n\n> q\n\n| a |\n|---|\n| 1 |\n\nx[^1]\n\n[^1]: n").html
    assert tidy(html) == html


@pytest.mark.parametrize(
    ("address", "put"),
    [
        ("https://x.example/a%20b?c=d#e", "https://x.example/a%20b?c=d#e"),
        ("https://x.example/{a}|b", "https://x.example/%7Ba%7D%7Cb"),
        ("https://x.example/#a#b", "https://x.example/#a%23b"),
        ("https://x.example/100%", "https://x.example/100%25"),
    ],
)
def test_addresses_hold_only_what_an_address_may(address: str, put: str) -> None:
    assert f'href="{put}"' in markdown.render(f"[x](<{address}>)").html


def test_a_password_in_an_address_is_not_published() -> None:
    assert "secret" not in markdown.render("[x](https://ana:secret@x.example/)").html
