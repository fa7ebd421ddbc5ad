"""While a request with a key is answered, no other with the same key is."""

from __future__ import annotations

import msgspec
import pytest

from api.under_way import UnderWay
from publisher.content.replies import Call
from publisher.errors import KeyInUseError

CALL = Call(editor_id="ana", key="k", target="POST /reviews", digest="d")


def test_a_key_is_held_until_its_request_is_answered() -> None:
    under_way = UnderWay()
    with under_way.only(CALL):
        for same in (CALL, msgspec.structs.replace(CALL, digest="e")):
            with pytest.raises(KeyInUseError), under_way.only(same):
                pass
        for other in ({"key": "l"}, {"editor_id": "beto"}, {"target": "POST /reviews/x/publish"}):
            with under_way.only(msgspec.structs.replace(CALL, **other)):
                pass
    with pytest.raises(ValueError, match="planted"), under_way.only(CALL):
        raise ValueError("planted")
    with under_way.only(CALL):
        pass
