"""An editor's command that is killed (SIGKILL) at one line of its code after the other, and what is left of its work.

A process of its own, for it forks: `python -m tests.integration.dying URL EMAIL SCENARIO FOLDER PLACES [PLANT]`. Each
round makes a folder, kills the command before its n-th line, lets the editor go on as they would, and looks at what the
API and the folder then hold. What is wrong is printed as JSON. PLACES are every so many lines from one on (`17:90`), or
where a function begins (`_settle`). PLANT breaks the desk on purpose.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

import httpx

from publisher import cli_account, cli_desk, cli_outbox  # loaded before the first fork, for speed
from publisher.cli import main
from publisher.desk import client, records
from tests.integration.api_fixtures import PASSWORD

LOADED = (cli_account, cli_desk, cli_outbox)
DESK = str(Path(records.__file__).parent)
MOST_LINES = 5_000
Place = int | str
LATER = "2035-01-01T00:00:00Z"


class Round:
    """One folder, one command that is killed, one editor who goes on."""

    def __init__(self, api: httpx.Client, root: Path, place: Place, is_odd: bool) -> None:
        self.api, self.place, self.is_odd = api, place, is_odd
        self.mark = uuid4().hex
        self.folder = root / self.mark
        self.folder.mkdir()

    def write(self, name: str, body: str, **fields: str) -> None:
        lines = "".join(f"{key}: {value}\n" for key, value in fields.items())
        matter = f"---\ntitle: {name} {self.mark}\ncamera: Leica M11\n{lines}---\n"
        (self.folder / name).write_text(matter + body, encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        (self.folder / name).write_text(text.replace(old, new), encoding="utf-8")

    def run(self, *words: str, die_at: Place | None = None) -> tuple[int | None, str]:
        """The exit status of a command (None when it was killed) and what it said, in a process of its own."""
        out = self.folder.parent / "out"
        child = os.fork()
        if child == 0:
            os.chdir(self.folder)
            status = 70
            with out.open("w") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
                if die_at is not None:
                    sys.settrace(killer(die_at))
                try:
                    main(list(words))
                except SystemExit as end:
                    status = end.code if isinstance(end.code, int) else 0
                except BaseException as error:
                    file.write(repr(error))
            os._exit(status)
        status = os.waitpid(child, 0)[1]
        said = out.read_text(encoding="utf-8")
        return (None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)), said

    def stored(self) -> dict[str, dict[str, Any]]:
        """The reviews of this round that the API holds, by the name of their file."""
        listed = self.api.get("/reviews", params={"mine": "true", "text": self.mark}).raise_for_status().json()
        found = [self.api.get(f"/reviews/{head['id']}").raise_for_status().json() for head in listed["reviews"]]
        by_name = {review["title"].partition(" ")[0]: review for review in found}
        assert len(by_name) == len(found), f"a review twice: {[review['title'] for review in found]}"
        return by_name

    def settled(self) -> None:
        """Nothing waits, nothing is in conflict, and posting again changes nothing."""
        status, said = self.run("post", ".")
        assert status == 0, said
        assert {line.rpartition(": ")[2] for line in said.splitlines()} == {"unchanged"}, said
        assert self.run("outbox", "list") == (0, "nothing waits\n")
        assert self.run("conflicts") == (0, "no conflicts\n")


def killer(at: Place) -> Callable[[FrameType, str, Any], Any]:
    """A trace function that ends this process before the `at`-th line of the desk's code, or in the function `at`."""
    left = at if isinstance(at, int) else sys.maxsize

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(DESK):
            return None
        if event == "line":
            left -= 1
            if left < 0 or frame.f_code.co_name == at:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def posting(one: Round) -> bool:
    """Two new reviews, one of them for later; the first may be edited before the editor goes on."""
    one.write("a.md", "Uno.\n")
    one.write("b.md", "Otro.\n", publish_at=LATER)
    status, _ = one.run("post", ".", die_at=one.place)
    if one.is_odd:
        one.edit("a.md", "Uno.", "Dos.")
    again, said = one.run("post", ".")
    assert again == 0, said
    stored = one.stored()
    assert set(stored) == {"a.md", "b.md"}, stored
    assert stored["a.md"]["content"] == ("Dos.\n" if one.is_odd else "Uno.\n")
    assert stored["a.md"]["version"] in ((1, 2) if one.is_odd else (1,)), stored["a.md"]
    assert (stored["b.md"]["state"], stored["b.md"]["version"]) == ("scheduled", 2), stored["b.md"]
    one.settled()
    return status is None


def changing(one: Round) -> bool:
    """A review that was posted is changed; it may be changed once more before the editor goes on."""
    one.write("a.md", "Uno.\n")
    one.run("post", "a.md")
    one.edit("a.md", "Uno.", "Dos.")
    status, _ = one.run("post", "a.md", die_at=one.place)
    if one.is_odd:
        one.edit("a.md", "Dos.", "Tres.")
    again, said = one.run("post", "a.md")
    assert again == 0, said
    stored = one.stored()["a.md"]
    assert stored["content"] == ("Tres.\n" if one.is_odd else "Dos.\n")
    assert stored["version"] in ((2, 3) if one.is_odd else (2,)), stored
    one.settled()
    return status is None


def pulling(one: Round) -> bool:
    """A review changed elsewhere is pulled; here, it may have been changed, too."""
    one.write("a.md", "Uno.\n")
    one.run("post", "a.md")
    held = one.stored()["a.md"]
    elsewhere(one, held, {"rating": 9})
    if one.is_odd:
        one.edit("a.md", "Uno.", "Dos.")
    before = (one.folder / "a.md").read_bytes()
    status, _ = one.run("pull", die_at=one.place)
    again, said = one.run("pull")
    assert again == (1 if one.is_odd else 0), said
    if one.is_odd:
        assert (one.folder / "a.md").read_bytes() == before
        assert b"rating: 9" in (one.folder / "a.theirs.md").read_bytes()
        assert one.stored()["a.md"]["content"] == "Uno.\n"
    else:
        assert b"rating: 9" in (one.folder / "a.md").read_bytes()
        kept = [path.read_bytes() for path in (one.folder / ".publisher" / "kept").iterdir()]
        assert before in kept
        one.settled()
    return status is None


def resolving(one: Round) -> bool:
    """A conflict is ended by merging."""
    one.write("a.md", "Uno.\n")
    one.run("post", "a.md")
    elsewhere(one, one.stored()["a.md"], {"rating": 9})
    one.edit("a.md", "Uno.", "Dos.")
    one.run("post", "a.md")
    status, _ = one.run("resolve", "a.md", "--merged", die_at=one.place)
    if one.run("conflicts")[1] != "no conflicts\n":
        again, said = one.run("resolve", "a.md", "--merged")
        assert again == 0, said
    again, said = one.run("outbox", "send")
    assert again == 0, said
    stored = one.stored()["a.md"]
    assert (stored["content"], stored["rating"], stored["version"]) == ("Dos.\n", 9, 3), stored
    one.settled()
    return status is None


def elsewhere(one: Round, held: dict[str, Any], change: dict[str, Any] | None) -> None:
    """Change a review by another way than this folder; None deletes it."""
    path, headers = f"/reviews/{held['id']}", {"If-Match": f'"{held["version"]}"'}
    answer = (
        one.api.delete(path, headers=headers) if change is None else one.api.patch(path, json=change, headers=headers)
    )
    answer.raise_for_status()


# Each returns whether the command was killed.
SCENARIOS = {"posting": posting, "changing": changing, "pulling": pulling, "resolving": resolving}


def plant(name: str) -> None:
    """Break the desk: it does not note what it is about to send, or lets the API choose the ids."""
    if name == "no-doubt":
        records.Records.doubt = lambda self, entry, doubtful: None  # type: ignore[method-assign]
    elif name == "new-ids":
        ask = client.Client.ask

        def forgetful(self: Any, method: str, path: str, *, body: bytes | None = None, **headers: str) -> Any:
            if body is not None and method == "POST" and path == "/reviews":
                body = json.dumps(json.loads(body) | {"id": None}).encode()
            return ask(self, method, path, body=body, **headers)

        client.Client.ask = forgetful  # type: ignore[method-assign]


def rounds(api: httpx.Client, scenario: str, root: Path, places: Iterable[Place]) -> dict[str, Any]:
    """Kill the command at these places, until it gets to its end before; what went wrong, and in how many rounds."""
    wrong: dict[Place, str] = {}
    count = 0
    for count, place in enumerate(places, 1):
        one = Round(api, root, place, is_odd=bool(count % 2))
        try:
            was_killed = SCENARIOS[scenario](one)
            for held in one.stored().values():
                elsewhere(one, held, None)
        except AssertionError as error:
            wrong[place] = str(error)[:500]
        else:
            if not was_killed:
                break
    return {"rounds": count, "wrong": wrong}


def places(words: str) -> Iterable[Place]:
    """Where to kill: `17:90` is every 90th line from the 17th on, else the name of a function, twice."""
    if ":" not in words:
        return [words, words]
    start, step = map(int, words.split(":"))
    return range(start, MOST_LINES, step)


if __name__ == "__main__":
    URL, EMAIL, SCENARIO, FOLDER, PLACES = sys.argv[1:6]
    os.environ |= {"XDG_STATE_HOME": f"{FOLDER}/state", "PUBLISHER_PASSWORD": PASSWORD, "COLUMNS": "80"}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main(["login", URL, "--email", EMAIL])
    if len(sys.argv) > 6:
        plant(sys.argv[6])
    api = httpx.Client(base_url=URL, timeout=60, trust_env=False)
    grant = api.post("/auth/token", json={"email": EMAIL, "password": PASSWORD}).raise_for_status().json()
    api.headers["Authorization"] = f"Bearer {grant['access_token']}"
    sys.stdout.write(json.dumps(rounds(api, SCENARIO, Path(FOLDER), places(PLACES))))
