"""Jobs through the API: asked for by administrators, followed, cancelled, seen by those whose they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from publisher.jobs import Jobs
from tests.integration.api_fixtures import Server
from tests.integration.press import Press, events


@pytest.fixture
def root(own_api_server: Server) -> Iterator[httpx.Client]:
    """An administrator of `own_api_server`."""
    with own_api_server.client("root") as client:
        yield client


def asked(client: httpx.Client, kind: str = "rebuild") -> dict[str, Any]:
    answer = client.post("/jobs", json={"kind": kind}, headers={"X-Request-Id": "the-asking"})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/jobs/{answer.json()['id']}"
    job: dict[str, Any] = answer.json()
    return job


def test_a_rebuild_is_asked_for_done_and_told(press: Press, root: httpx.Client) -> None:
    job = asked(root)
    assert (job["state"], job["finished"], job["receipt"], job["request_id"]) == ("waiting", False, {}, "the-asking")
    press.worker.round()
    done = root.get(f"/jobs/{job['id']}").json()
    assert (done["state"], done["finished"], done["failure"]) == ("done", True, None)
    assert done["receipt"]["rendered"] == done["progress"]["done"] == done["progress"]["total"] > 10
    assert done["created_at"] < done["started_at"] < done["finished_at"]
    assert done["publish"] is None
    assert root.get("/jobs").json() == {"jobs": [done], "next": None}


def test_a_rebuild_that_changes_something_leads_to_its_publish(press: Press, root: httpx.Client) -> None:
    press._ledger.connection.execute("UPDATE desired SET body = ? WHERE key = 'index.html'", ("0" * 64,))
    job = asked(root)
    press.worker.round()
    place = root.get(f"/jobs/{job['id']}").json()["publish"]
    publish = root.get(place).json()
    assert place == f"/publishes/r{publish['release']}"
    assert (publish["finished"], publish["written"]) == (True, 1)


def test_the_hint_reaches_the_worker(press: Press, own_api_server: Server, root: httpx.Client) -> None:
    with press.running(own_api_server):
        job = asked(root, "export")
        with root.stream("GET", job["events"]) as answer:
            told = list(events(answer))
    assert told[-1]["event"] == "done"
    assert told[-1]["data"]["receipt"]["written"] > 10
    assert {event["event"] for event in told[:-1]} <= {"progress"}
    assert (own_api_server.data_dir / "export" / "index.html").exists()


def test_a_stream_of_a_job_resumes_and_ends(press: Press, root: httpx.Client) -> None:
    job = asked(root)
    with root.stream("GET", job["events"]) as answer:
        coming = events(answer)
        first = next(coming)
        assert (first["event"], first["data"]["state"]) == ("progress", "waiting")
    press.worker.round()
    with root.stream("GET", job["events"], headers={"Last-Event-ID": first["id"]}) as answer:
        (last,) = list(events(answer))
    assert last["event"] == "done"
    assert root.get(job["events"], headers={"Last-Event-ID": last["id"]}).status_code == 204


def test_a_job_that_waits_is_cancelled(press: Press, root: httpx.Client) -> None:
    job = asked(root)
    cancelled = root.post(f"/jobs/{job['id']}/cancel")
    assert cancelled.status_code == 200
    assert (cancelled.json()["state"], cancelled.json()["finished"]) == ("cancelled", True)
    press.worker.round()
    assert root.get(f"/jobs/{job['id']}").json()["state"] == "cancelled"
    again = root.post(f"/jobs/{job['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


def test_of_a_kind_one_waits_at_a_time(root: httpx.Client) -> None:
    asked(root)
    refused = root.post("/jobs", json={"kind": "rebuild"})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    asked(root, "export")


@pytest.mark.parametrize("body", [{}, {"kind": "import"}, {"kind": "x"}, {"kind": "rebuild", "folder": "/etc"}, []])
def test_a_bad_body_is_a_400(body: object, api_server: Server) -> None:
    with api_server.client("root") as client:
        assert client.post("/jobs", json=body).status_code == 400


@pytest.mark.parametrize("who", ["ana", "chief"])
def test_only_administrators_ask_for_rebuilds_and_exports(who: str, api_server: Server) -> None:
    with api_server.client(who) as client:
        answer = client.post("/jobs", json={"kind": "rebuild"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_job_is_seen_by_who_asked_and_by_administrators(own_api_server: Server) -> None:
    jobs = Jobs(own_api_server.data_dir / "jobs.db")
    own = jobs.add("import", asked_by=own_api_server.accounts["ana"].id).id
    jobs.add("export", asked_by=own_api_server.accounts["root"].id)
    jobs.close()
    with own_api_server.client("beto") as client:
        assert client.get("/jobs").json()["jobs"] == []
        for method, place in (("GET", ""), ("GET", "/events"), ("POST", "/cancel")):
            assert client.request(method, f"/jobs/{own}{place}").status_code == 404
    with own_api_server.client("chief") as client:
        assert client.get(f"/jobs/{own}").status_code == 404
    with own_api_server.client("root") as client:
        assert len(client.get("/jobs").json()["jobs"]) == 2
        first = client.get("/jobs", params={"limit": 1}).json()
        second = client.get("/jobs", params={"limit": 1, "cursor": first["next"]}).json()
        assert [page["jobs"][0]["kind"] for page in (first, second)] == ["export", "import"]
        assert second["next"] is None


@pytest.mark.parametrize("strange", ["x", "019a2f6e-5d10-7c3a-9b1e-2f7d64c0a8b1", "%00"])
def test_an_unknown_job_is_a_404(strange: str, api_server: Server) -> None:
    with api_server.client("root") as client:
        assert client.get(f"/jobs/{strange}").status_code == 404
        assert client.post(f"/jobs/{strange}/cancel").status_code == 404
    with api_server.client("root") as client:
        assert client.get("/jobs", params={"cursor": "x"}).json()["field"] == "cursor"
