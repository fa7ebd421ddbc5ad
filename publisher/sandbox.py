"""Render untrusted Markdown within a time limit: a child process does it and is killed when it takes too long.

A text so small that it cannot be slow is rendered in place: measured, the worst of some 40 hostile texts within these
bounds took 80 ms, while a round trip to the child costs about as much as rendering an ordinary text.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from publisher.content.model import Text
from publisher.errors import MarkdownError, MarkdownTimeoutError
from publisher.site import markdown

LIMIT_SECONDS = 2.0
SMALL = 20_000
FEW_MARKUPS = 600
_MARKUP = b"<>*_[~`|"


def is_small(text: str) -> bool:
    """Whether a text is too small to be slow, whatever it says."""
    return len(text) <= SMALL and _has_little_markup(text.encode(errors="surrogatepass"))


def _has_little_markup(encoded: bytes) -> bool:
    return len(encoded) - len(encoded.translate(None, _MARKUP)) <= FEW_MARKUPS


class Sandbox:
    """Renders texts, large ones in a child process that is started when first needed. Safe to share among threads."""

    def __init__(self, limit_seconds: float = LIMIT_SECONDS) -> None:
        self._limit = limit_seconds
        self._lock = threading.Lock()
        self._child: BaseProcess | None = None
        self._pipe: Connection | None = None

    def at_once(self, text: str, *, lead: bool = True) -> Text | None:
        """The rendered text, when it is so small and simple that it takes less time than asking another thread.

        Without its `lead` unless that is wanted.
        """
        if len(text) > SMALL:
            return None
        encoded = text.encode(errors="surrogatepass")
        return markdown.at_once(text, encoded, lead=lead) if _has_little_markup(encoded) else None

    def render(self, text: str) -> Text:
        """The rendered text. Raises MarkdownError (too long, too deep) and MarkdownTimeoutError (too slow)."""
        if is_small(text):
            return markdown.render(text)
        with self._lock:
            try:
                pipe = self._started()
                pipe.send(text)
                if not pipe.poll(self._limit):
                    raise MarkdownTimeoutError(
                        f"the text took more than {self._limit:g} s to render; simplify its markup"
                    )
                answer = pipe.recv()
            except (OSError, EOFError) as error:
                self._stop()
                raise MarkdownError("the text brought the renderer down; simplify its markup") from error
            except MarkdownTimeoutError:
                self._stop()
                raise
        if isinstance(answer, str):
            raise MarkdownError(answer)
        assert isinstance(answer, Text)
        return answer

    def proves(self, text: Text, *, quickly: bool = False) -> bool | None:
        """Whether a stored text has the name of its Markdown and shows what that renders to.

        None for HTML that is not made again: an earlier edition made it, this one takes too long now, or `quickly`.
        """
        edition = markdown.edition_of(text.digest, text.markdown)
        if edition != markdown.EDITION or quickly:
            return None if edition else False
        try:
            made = self.render(text.markdown)
        except MarkdownError:
            return None
        return (made.html, made.plain) == (text.html, text.plain)

    def close(self) -> None:
        """End the child process."""
        with self._lock:
            self._stop()

    def _started(self) -> Connection:
        if self._pipe is None or self._child is None or not self._child.is_alive():
            self._stop()
            context = multiprocessing.get_context("spawn")
            self._pipe, far = context.Pipe()
            self._child = context.Process(target=_serve, args=(far,), name="markdown-sandbox", daemon=True)
            self._child.start()
            far.close()
            if not self._pipe.poll(30) or self._pipe.recv() is not None:
                raise MarkdownError("the renderer did not start")
        return self._pipe

    def _stop(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
        if self._child is not None:
            self._child.kill()
            self._child.join()
            self._child.close()
        self._pipe = self._child = None


def _serve(pipe: Connection) -> None:
    """The child: answer each text with its rendering, or with the reason as a str."""
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        pipe.send(None)
        while True:
            text = pipe.recv()
            try:
                pipe.send(markdown.render(text))
            except MarkdownError as error:
                pipe.send(str(error))
