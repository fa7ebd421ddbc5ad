"""A server with a planted fault: it checks no password where there is no account, and so answers early."""

from __future__ import annotations

from typing import Any

from litestar import Litestar

import api.app
from api.newsroom import Newsroom
from publisher.content import editors
from publisher.content.model import Editor
from publisher.errors import UnauthenticatedError


class HurriedNewsroom(Newsroom):
    """Looks for the account first."""

    async def authenticate(self, email: str, password: str) -> Editor:
        def known(db: Any) -> bool:
            return editors.find(db, email) is not None

        if not await self.read(known):
            raise UnauthenticatedError("e-mail address and password do not match an active account")
        return await super().authenticate(email, password)


def from_environment() -> Litestar:
    """The application, with the hurried newsroom in the place of the sound one."""
    vars(api.app)["Newsroom"] = HurriedNewsroom
    return api.app.from_environment()
