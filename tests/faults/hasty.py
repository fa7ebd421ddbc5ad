"""A server with a planted fault: it answers writes before they are committed. The tests have to find out."""

from __future__ import annotations

import time
from typing import Any

from litestar import Litestar

import api.app
from publisher.content.writer import Writer

LEAD_SECONDS = 0.05


class HastyWriter(Writer):
    """Answers what is asked of it, then commits."""

    def _one(self, job: Any, at: Any) -> tuple[Any, BaseException | None]:
        outcome = super()._one(job, at)
        super()._answer([(job, *outcome)])
        time.sleep(LEAD_SECONDS)
        return outcome

    def _answer(self, answers: Any) -> None:
        """All were answered before."""


def from_environment() -> Litestar:
    """The application, with the hasty writer in the place of the sound one."""
    vars(api.app)["Writer"] = HastyWriter
    return api.app.from_environment()
