"""Foreign shortcodes become plain Markdown: words stay, code is not touched, hostile text takes no time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.content.shortcodes import translate


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{{< figure src="a.jpg" alt="Un puente" caption="Al alba" >}}', "![Un puente](a.jpg)\\\nAl alba"),
        ('ver {{< img src="a b.jpg" alt="Un [puente]" >}} aquí', "ver ![Un \\[puente\\]](<a b.jpg>) aquí"),
        ('{{<figure src = "a.jpg" title = "Título" >}}', "![Título](a.jpg)"),
        ('{% image "fotos/a.jpg" "Ana Ñandú" %}', "![Ana Ñandú](fotos/a.jpg)"),
        ('{% image_with_class "a/b.png" "height-card-lg" "Ana" %}', "![Ana](a/b.png)"),
        ('{{< quote-block text="Esperar." cite="Ansel" >}}', "Esperar. — Ansel"),
        ('{{< youtube id="abc" title="Prueba" >}}', "[Prueba](https://www.youtube.com/watch?v=abc)"),
        ("{{< note >}}\nDentro.\n{{< /note >}}", "\nDentro.\n"),
        ('{{< details summary="Detalles" class="x" >}}\nDentro.\n{{< /details >}}', "Detalles\n\nDentro.\n"),
        ('{{% def id="x" name="Hoja" %}}dentro{{% /def %}}', "Hoja dentro"),
        ("{% filename %}blog/urls.py{% endfilename %}", "blog/urls.py"),
        ("{% raw %}{{ sin tocar }}{% endraw %}", "{{ sin tocar }}"),
        ("{% highlight python %}\nx = 1\n{% endhighlight %}", "\n```python\nx = 1\n```\n"),
        ('[guía]({{< ref "a/b.md" >}}) y más', "[guía](a/b.md) y más"),
        ('[guía](https://x.example/{{ site.url }}/y "Título")', '[guía](https://x.example//y "Título")'),
        ('[guía]: {{< relref "a.md" >}}', "[guía]: a.md"),
        ('<a href="{{ "/sobre/" | url }}">sobre</a>', '<a href="/sobre/">sobre</a>'),
        ("de {{ post.title }} a", "de `{{ post.title }}` a"),
        ("{{< desconocido 7 >}}", "`{{< desconocido 7 >}}`"),
        ("<p>\n{{ x < y }}\n</p>", "<p>\n<code>{{ x &lt; y }}</code>\n</p>"),
        ('<p>\n{{< img src="a.jpg" alt="Un puente" >}}\n</p>', '<p>\n<img src="a.jpg" alt="Un puente">\n</p>'),
        ("así: {{</* figure */>}}", "así: `{{< figure >}}`"),
        ("{% include `a` %}", "`` {% include `a` %} ``".replace("`` {", "``{").replace("} ``", "}``")),
    ],
)
def test_a_call_becomes_markdown(source: str, expected: str) -> None:
    assert translate(source).markdown == expected


@pytest.mark.parametrize(
    "code",
    [
        "```\n{{< figure src='a.jpg' >}}\n```",
        "~~~~ html\n{% if x %}\n~~~\n{{ y }}\n~~~~",
        "- uno\n\n  ```\n  {{ x }}\n  ```\n",
        "> ```\n> {{ x }}\n> ```\n",
        "Texto `{{ x }}` y ``{{< `a` >}}``.",
        "Así:\n\n    {% for x in y %}\n\n    {{ x }}\n",
        "<pre><code>{{ x }}</code></pre>",
        "```\n{{ nunca se cierra }}",
    ],
)
def test_code_is_left_exactly_as_it_is(code: str) -> None:
    assert translate(code).markdown == code
    assert translate(code).met == {}


@pytest.mark.parametrize("text", ["", "Nada.", "{{< sin cerrar", "{% no\n\ncierra %}", "100 % {llaves}", "{{<" * 9])
def test_what_is_no_call_is_left_alone(text: str) -> None:
    assert translate(text).markdown == text


def test_calls_are_counted_by_name() -> None:
    met = translate('{{< img src="a" >}} {{< img src="b" >}} {{< /box >}} {{ x }} {% raw %}{{ y }}{% endraw %}').met
    assert met == {"img": 2, "expression": 1, "raw": 1}


@pytest.mark.parametrize(
    "hostile",
    [
        "{{<" * 100_000,
        "{{< a >}}" * 40_000,
        "`" * 400_000,
        "` `` ``` " * 40_000,
        "<pre>" * 80_000 + "{{ x }}",
        "{{ x }}" + "[" * 390_000,
        "{% raw %}" * 40_000,
        "<a " * 100_000 + "{{ x }}" * 10_000,
        "> " * 190_000 + "{{ x }}",
        "1. " * 130_000 + "{{ x }}",
        '{{< a b="' + '\\"' * 1_900 + ">}}" * 1000,
    ],
    ids=lambda text: text[:9],
)
def test_hostile_text_takes_no_time(hostile: str) -> None:
    started = time.process_time()
    translate(hostile)
    assert time.process_time() - started < 5


@given(st.text(st.sampled_from("{}<>%/*`\"'= ab\n-~[]()"), max_size=200))
def test_any_text_is_translated(text: str) -> None:
    assert isinstance(translate(text).markdown, str)
