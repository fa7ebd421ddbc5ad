"""Verifying a bucket of the real store by the commands: what is found, what is repaired, and with what they end."""

from __future__ import annotations

import json

from publisher.content import reviews
from publisher.content.model import State
from publisher.content.writer import Writer
from tests.integration.test_cli import POST, Shell
from tests.integration.test_rollback import Bucket, published, write
from tests.integration.test_rollback import bucket as bucket
from tests.integration.test_rollback import shell as shell


def test_drift_is_found_and_repaired(shell: Shell, bucket: Bucket) -> None:
    write(shell, uno="primero", dos="segundo")
    before = published(shell, bucket)
    assert "0 missing, 0 altered, 0 unrecorded, 0 foreign" in shell("verify")
    bucket.delete("reviews/uno/index.html")
    bucket.put("reviews/dos/index.html", b"something else")
    bucket.put("theirs/backup.zip", b"zip")
    said = shell("verify", answer=3)
    lines = {tuple(line.split()) for line in said.splitlines()}
    assert {
        ("missing", "reviews/uno/index.html"), ("altered", "body", "reviews/dos/index.html"),
        ("foreign", "theirs/backup.zip"),
    } <= lines  # fmt: skip
    told = (shell.folder / "data" / "verify.prom").read_text(encoding="utf-8").splitlines()
    counts = [line.rpartition(" ") for line in told if line.startswith("publisher_verify_mismatches{")]
    assert {(name.partition('kind="')[2].partition('"')[0], value) for name, _, value in counts} == {
        ("missing", "1.0"), ("altered", "1.0"), ("unrecorded", "0.0"), ("foreign", "1.0"),
    }  # fmt: skip
    quick = json.loads(shell("verify", "--quick", "--json", answer=3))[0]["found"]
    assert {(one["kind"], one["what"]) for one in quick} == {("missing", ""), ("altered", "size"), ("foreign", "")}
    shell("verify", "--repair")
    assert {key: held for key, held in bucket.pages().items() if not key.startswith("theirs")} == before
    assert "1 foreign" in shell("verify", answer=4)
    shell("verify", "--repair", "--remove-foreign", "theirs/*")
    assert bucket.pages() == before
    assert "no target is called" in shell("verify", "nowhere", answer=2)


def test_a_lost_ledger_is_reconciled_with_the_bucket(shell: Shell, bucket: Bucket) -> None:
    write(shell, uno="primero")
    shell("publish")
    for path in (shell.folder / "data").glob("ledger.db*"):
        path.unlink()
    text = POST.replace("La luz", "uno").replace("viaje", "noche")
    (shell.folder / "uno.md").write_text(text, encoding="utf-8")
    shell("import", "uno.md")
    shell("build")
    said = {tuple(line.split()) for line in shell("reconcile").splitlines()}
    assert {line[1] for line in said if line[0] == "foreign"} >= {"tags/viaje/index.html"}
    pushed = json.loads(shell("push", "--json"))
    assert (0 < pushed["puts"] < 25, pushed["deletes"]) == (True, 0), "what is there is not put again"
    foreign = json.loads(shell("verify", "--json", answer=4))[0]["found"]
    assert {one["kind"] for one in foreign} == {"foreign"}
    shell("reconcile", "--remove-foreign", "tags/viaje/*")
    shell("push")
    assert "tags/viaje/index.html" not in bucket.pages()
    assert "tags/noche/index.html" in bucket.pages()


def test_an_empty_site_is_refused_without_a_flag(shell: Shell, bucket: Bucket) -> None:
    write(shell, uno="primero")
    before = published(shell, bucket)
    with Writer(shell.folder / "data" / "content.db") as writer:
        (review_id,) = writer.run(lambda tx: [row[0] for row in tx.db.conn.execute("SELECT id FROM reviews")])
        writer.run(lambda tx: reviews.move(tx, review_id, State.draft))
    assert "no review would be left there" in shell("publish", answer=1)
    assert bucket.pages() == before
    assert "deleted" in shell("publish", "--allow-empty", "--max-deletes", "100%")
    assert "--max-deletes" in shell("push", "--max-deletes", "many", answer=1)
