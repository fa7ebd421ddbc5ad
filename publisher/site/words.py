"""The interface's words in the site's language: gettext catalogues, dates and numbers, through Babel."""

from __future__ import annotations

import datetime
import io
from functools import lru_cache

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent


class Words:
    """Translations of one language; a word without one stands as it is."""

    def __init__(self, language: str, catalogue: bytes) -> None:
        self.language = language
        po = read_po(io.BytesIO(catalogue), locale=language, abort_invalid=True)
        self._single: dict[str, str] = {}
        self._plural: dict[str, tuple[str, ...]] = {}
        for message in po:
            if not message.id or message.fuzzy:
                continue
            if isinstance(message.id, tuple | list):
                self._plural[message.id[0]] = tuple(message.string or ())
            elif message.string:
                self._single[message.id] = str(message.string)
        self._form_of = lru_cache(maxsize=8192)(Locale.parse(language).plural_form)
        self._day = lru_cache(maxsize=8192)(self._in_words)
        self.number = lru_cache(maxsize=8192)(self._number)

    def gettext(self, words: str) -> str:
        """The translation of `words`."""
        return self._single.get(words, words)

    def ngettext(self, one: str, many: str, count: float) -> str:
        """The translation for `count`; Spanish, Portuguese and English have two forms.

        Which one is the language's own matter, as in the scripts (`Intl.PluralRules`): `1,5 ponto`, but `1,5 pasos`.
        """
        forms = self._plural.get(one)
        if not forms or not all(forms):
            forms = (one, many)
        return forms[0 if self._form_of(count) == "one" else 1]

    def date(self, moment: datetime.datetime) -> str:
        """The day of `moment` in words. Kept by day: Babel takes 20 µs, and moments hardly ever repeat."""
        return self._day(moment.date())

    def released(self, said: str) -> str:
        """When a product came out, as precisely as it is known: `2021`, `2021-10` or `2021-10-21`, in words."""
        year, *rest = (int(part) for part in said.split("-"))
        if not rest:
            return str(year)
        try:
            day = datetime.date(year, *rest, *([1] if len(rest) == 1 else []))
        except ValueError:  # 30 February, or the year 0
            return said
        return self._day(day) if len(rest) > 1 else str(format_skeleton("yMMMM", day, locale=self.language))

    def percent(self, share: float) -> str:
        """A share of 1 in hundredths."""
        return str(format_percent(share, locale=self.language))

    def _in_words(self, day: datetime.date) -> str:
        return str(format_date(day, format="long", locale=self.language))

    def _number(self, value: float) -> str:
        return str(format_decimal(value, format="#,##0.##", locale=self.language))
