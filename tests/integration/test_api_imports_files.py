"""The files of imports: nothing of them outlives its import, whoever dies, goes away or cancels."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from api.import_files import Files, Readers
from api.importing import Desk, Importer
from api.scribe import Scribe
from api.wire import Addresses
from publisher.content.hold import held
from publisher.content.hold import path as hold_path
from publisher.content.writer import Writer
from publisher.jobs import ATTEMPTS, Job, Jobs
from publisher.site import markdown
from tests.integration.api_fixtures import Server, restartable
from tests.integration.asking import until
from tests.integration.rows import JSONL, half_sent, lines, rows, sent, sent_and_gone


def names(server: Server) -> list[str]:
    """The files of imports that there are."""
    return sorted(path.name for path in (server.data_dir / "imports").iterdir())


def is_clean(server: Server) -> bool:
    return names(server) == ["process.lock"]


@pytest.fixture
def held_up(own_api_server: Server) -> Iterator[ExitStack]:
    """Imports of `own_api_server` wait for their turn until this is closed."""
    with ExitStack() as holding:
        holding.enter_context(held(hold_path(own_api_server.data_dir)))
        yield holding


def left_behind(server: Server, jobs: Jobs, *, waiting: int = 1) -> Job:
    """A job of ana's and its rows, as a process leaves them that died before their turn."""
    job = jobs.add("import", asked_by=server.accounts["ana"].id, total=2, waiting=waiting)
    (server.data_dir / "imports" / f"{job.id}.jsonl").write_bytes(b"".join(lines(rows(2))))
    return job


def test_rows_that_were_half_sent_to_a_process_that_was_killed_are_removed_by_the_next(tmp_path: Path) -> None:
    with restartable(tmp_path)() as server:
        with half_sent(server):
            until(lambda: len(names(server)) == 2, "the rows are kept")
            server.kill()
        assert len(names(server)) == 2, "the kill came too late"
        server.start()
        assert is_clean(server)


def test_rows_of_a_job_that_is_closed_at_the_start_are_removed(tmp_path: Path) -> None:
    with restartable(tmp_path)() as server:
        server.stop()
        with closing(Jobs(server.data_dir / "jobs.db")) as jobs:
            given_up = left_behind(server, jobs)
            for _ in range(ATTEMPTS):
                jobs.recover(("import",))
                jobs.take(("import",))
            cancelled = left_behind(server, jobs)
            jobs.take(("import",))
            jobs.cancel(cancelled.id)
            server.start()
            assert (jobs.get(cancelled.id).state, jobs.get(given_up.id).code) == ("cancelled", "gave_up")
        assert is_clean(server)


def test_rows_that_cannot_be_removed_hold_up_no_import(own_api_server: Server, writer: httpx.Client) -> None:
    with closing(Jobs(own_api_server.data_dir / "jobs.db")) as jobs:
        stuck = jobs.add("import", asked_by=own_api_server.accounts["ana"].id, total=2, waiting=1)
        (own_api_server.data_dir / "imports" / f"{stuck.id}.jsonl").mkdir()
        jobs.cancel(stuck.id)
    for _ in range(2):
        answers, job = sent(writer, rows(2))
        assert ([each["status"] for each in answers], job["state"]) == ([201, 201], "done")


def test_rows_of_an_earlier_process_are_removed_when_their_import_is_cancelled(tmp_path: Path) -> None:
    with restartable(tmp_path)() as server:
        server.stop()
        with closing(Jobs(server.data_dir / "jobs.db")) as jobs:
            first, second = left_behind(server, jobs), left_behind(server, jobs, waiting=2)
            with held(hold_path(server.data_dir)):
                server.start()
                with server.client("ana") as ana:
                    until(lambda: ana.get(f"/jobs/{first.id}").json()["state"] == "running", "the first has its turn")
                    assert ana.post(f"/jobs/{second.id}/cancel").json()["state"] == "cancelled"
            until(lambda: jobs.get(first.id).is_finished, "the first is done")
        until(lambda: is_clean(server), "the rows of both are removed")


def test_answers_are_not_kept_for_a_reader_who_left_before_the_turn_of_the_import(
    own_api_server: Server, writer: httpx.Client, held_up: ExitStack
) -> None:
    def state(number: int) -> str:
        return str(writer.get("/jobs").json()["jobs"][number]["state"])

    with (
        own_api_server.client("ana") as first,
        first.stream("POST", "/reviews/import", content=lines(rows(2)), headers=JSONL),
    ):
        until(lambda: state(0) == "running", "the first has its turn")
        with (
            own_api_server.client("ana") as other,
            other.stream("POST", "/reviews/import", content=lines(rows(2)), headers=JSONL) as answer,
        ):
            assert answer.status_code == 200
        until(lambda: len([name for name in names(own_api_server) if name.endswith(".answers")]) == 1, "it left")
        assert state(0) == "waiting"
        held_up.close()
        until(lambda: state(0) == state(1) == "done", "both are done")
    until(lambda: is_clean(own_api_server), "the files of both are removed")


def test_a_client_that_hangs_up_as_soon_as_it_has_sent_leaves_nothing(
    own_api_server: Server, writer: httpx.Client
) -> None:
    for seconds in (0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 2):  # the server may drop what came of one that is gone
        sent_and_gone(own_api_server, 20, seconds)
    until(lambda: bool(writer.get("/jobs").json()["jobs"]), "something was sent")
    until(lambda: all(job["finished"] for job in writer.get("/jobs").json()["jobs"]), "what was sent is done")
    until(lambda: is_clean(own_api_server), "nothing is left")
    sent = writer.post("/reviews/import", content=lines(rows(3)), headers=JSONL)
    assert [json.loads(line).get("status") for line in sent.text.splitlines() if line] == [201, 201, 201, None]


def test_an_import_that_ended_before_it_was_looked_for_has_one_last_line(fresh_store: tuple[Writer, Path]) -> None:
    _, path = fresh_store

    async def done_twice() -> list[bytes]:
        files, readers = Files(path.parent / "imports"), Readers(asyncio.get_running_loop())
        scribe = Scribe(path, hint=path.parent / "nobody.sock", imports="api.editing")
        desk = Desk(
            writer=scribe, render=markdown.render, wake=lambda: None, addresses=Addresses("http://portal.example"),
            language="es", largest=1000,
        )  # fmt: skip
        with closing(Jobs(path.parent / "jobs.db")) as jobs:
            importer = Importer(jobs, files, desk, readers)
            for job_id in ("first", "second"):
                readers.begin(job_id)
                files.rows(job_id).write_bytes(b"")
                jobs.add("import", asked_by="nobody", job_id=job_id)
                importer.look()
                while not readers.has_ended(job_id):
                    await readers.wait(job_id, 1)
            await asyncio.to_thread(importer.close)
        await asyncio.to_thread(scribe.close)
        return files.answers("first").read_bytes().splitlines()

    (line,) = asyncio.run(asyncio.wait_for(done_twice(), 60))
    assert json.loads(line)["job"]["state"] == "failed"
