"""A thousand bodies that want to run something in a reader's browser. Whatever runs calls `hit`.

Made from a few dozen known ways (script elements, event handlers, addresses that are code, SVG, MathML, markup that
mutates when it is parsed again), each spelt and wrapped in many: none is from a real text.
"""

from __future__ import annotations

import itertools
import random

BODIES = 1_000
DEEP = 20_000

_CODE = ("hit()", "window.hit()", "hit`1`", "top['hit']()", "(0,hit)()")
_ELEMENTS = (
    "<script>{code}</script>", "<script src=data:text/javascript,{code}></script>", "<ScRiPt >{code}</sCrIpT>",
    "<img src=x onerror={code}>", '<img src="x" onerror="{code}">', "<img/src=x/onerror={code}>",
    "<img src=x onerror\n=\n{code}>", "<svg onload={code}>", "<svg><script>{code}</script></svg>",
    "<svg><animate onbegin={code} attributeName=x dur=1s>",
    '<svg><a xlink:href="javascript:{code}"><text>x</text></a></svg>',
    '<svg><use href="data:image/svg+xml,<svg id=x xmlns=http://www.w3.org/2000/svg><script>{code}</script></svg>#x">',
    "<body onload={code}>", "<details open ontoggle={code}>x</details>", "<input autofocus onfocus={code}>",
    "<video><source onerror={code}></video>", "<audio src=x onerror={code}>", "<marquee onstart={code}>x</marquee>",
    '<iframe src="javascript:{code}"></iframe>', "<iframe srcdoc='<script>parent.{code}</script>'></iframe>",
    '<object data="javascript:{code}"></object>', '<embed src="javascript:{code}">', "<b onmouseover={code}>x</b>",
    '<form action="javascript:{code}"><button>x</button></form>', "<a href='javascript:{code}'>x</a>",
    "<p style=\"background:url(javascript:{code})\">x</p>", "<style>@import 'javascript:{code}';</style>",
    '<meta http-equiv="refresh" content="0;url=javascript:{code}">', '<base href="javascript:{code}//">',
    '<link rel="stylesheet" href="javascript:{code}">', '<math href="javascript:{code}">x</math>',
    '<math><maction actiontype="statusline#x" xlink:href="javascript:{code}">x</maction></math>',
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror={code}&gt;\">",
    "<svg></p><style><a id=\"</style><img src=1 onerror={code}>\">",
    "<noscript><p title=\"</noscript><img src=x onerror={code}>\">",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror={code}>",
    "<template><script>{code}</script></template>",
    "<textarea><img title=\"</textarea><img src=x onerror={code}>\">",
    "<xmp><p title=\"</xmp><img src=x onerror={code}>\">",
    "<details><summary onclick={code}>x</summary></details>", "<isindex action=javascript:{code} type=image>",
    "<select><style></select><img src=x onerror={code}></style>",
    "<table background=\"javascript:{code}\"><tr><td>x</table>",
    "<![CDATA[<img src=x onerror={code}>]]>", "<!--><img src=x onerror={code}>-->",
    "<?xml version='1'?><img src=x onerror={code}>",
)  # fmt: skip
_LINKS = (
    "[x](javascript:{code})", "[x](JaVaScRiPt:{code})", "[x](java&#x09;script:{code})", "[x](&#106;avascript:{code})",
    "[x](<javascript:{code}>)", "[x](\x01javascript:{code})", "[x](data:text/html,<script>{code}</script>)",
    "[x](vbscript:{code})", "![x](javascript:{code})", '![x](x"onerror="{code})', "<javascript:{code}>",
    "[x]: javascript:{code}\n\n[x]", '[x](https://x.example "a" onclick="{code}")',
    "[x](https://x.example/\"onclick={code})",
    "[x](data:text/html;base64,PHNjcmlwdD5oaXQoKTwvc2NyaXB0Pg==)", "![x](data:image/svg+xml,<svg onload={code}>)",
    "[^1]\n\n[^1]: <img src=x onerror={code}>", "`<img src=x onerror={code}>`",
    "```x\" onclick={code}\n<script>{code}</script>\n```",
    "| a |\n|---|\n| <img src=x onerror={code}> |", "# <img src=x onerror={code}>", "x<br onclick={code}>y",
)  # fmt: skip
_WRAPS = (
    "{}", "words\n\n{}\n\nwords", "> {}", "- a\n- {}", "1. {}\n", "**{}**", "<div>{}</div>", "<b>{}",
    "<svg>{}", "<math>{}",
    "<table><tr><td>{}</td></tr></table>", "<details><summary>a</summary>{}</details>", "<p title='{}'>x</p>",
    "</p></article>{}",
    "\ufeff{}", "\0{}", "<!-- {} -->", "a < b {}", "<section>\n\n{}\n\n</section>", "<style>{}</style>",
)  # fmt: skip
_DEEP = (
    "> ", "<div>", "<b>", "<svg>", "<math><mtext>", "<table><tr><td>", "[", "*", "![", "<ul><li>", "- ", "(",
    "`", "<a href=x>",
    "<details>", "&lt;", "**a", "<p><b>", "<select>", "<template>",
)  # fmt: skip


def bodies() -> list[str]:
    """All of them, always the same."""
    deep = [opening * DEEP + "<img src=x onerror=hit()>" for opening in _DEEP]
    chance = random.Random(5)
    ways = list(itertools.product((*_ELEMENTS, *_LINKS), _WRAPS))
    chance.shuffle(ways)
    plain = [way.replace("{code}", "hit()") for way in (*_ELEMENTS, *_LINKS)]
    mixed = [wrap.replace("{}", way.replace("{code}", chance.choice(_CODE))) for way, wrap in ways]
    return list(dict.fromkeys([*deep, *plain, *mixed]))[:BODIES]
