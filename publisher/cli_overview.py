"""Every command of `publisher`: where it lives, and the line that `publisher --help` has for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Command(NamedTuple):
    """The module that has a command, loaded when it is called, and what it does in a few words."""

    module: str
    summary: str


SECTIONS: Mapping[str, Mapping[str, Command]] = {
    "Running": {
        "up": Command("publisher.cli_up", "the whole stack on this machine"),
        "init": Command("publisher.cli_serving", "prepare a data directory, with a first administrator"),
        "api": Command("publisher.cli_serving", "serve the write API"),
        "worker": Command("publisher.cli_publish", "build and push whenever something is written"),
        "status": Command("publisher.cli_publish", "what is built, and what waits for which target"),
        "doctor": Command("publisher.cli_doctor", "what is amiss, and what to do about it"),
    },
    "Content": {
        "import": Command("publisher.cli_content", "bring in Markdown and JSON Lines"),
        "editor": Command("publisher.cli_content", "accounts of those who write"),
        "jobs": Command("publisher.cli_jobs", "imports, rebuilds and exports that were asked for"),
        "takedown": Command("publisher.cli_takedown", "remove a review from everywhere, for good"),
        "export": Command("publisher.cli_publish", "write the site to a folder, for any web server"),
    },
    "Publishing": {
        "build": Command("publisher.cli_publish", "render what changed"),
        "push": Command("publisher.cli_publish", "send what was built to every target"),
        "publish": Command("publisher.cli_publish", "build, then push"),
        "releases": Command("publisher.cli_rollback", "the last releases, and what differs between two"),
        "rollback": Command("publisher.cli_rollback", "bring back the pages of a release"),
        "rollout": Command("publisher.cli_rollout", "the regions in their order; taking one out"),
    },
    "Targets and edges": {
        "target": Command("publisher.cli_target", "try a store; let this database take one over"),
        "verify": Command("publisher.cli_verify", "read every object; say what is missing or altered"),
        "reconcile": Command("publisher.cli_verify", "correct the ledger by what a target holds"),
        "garbage": Command("publisher.cli_garbage", "remove what nothing and nobody can need any more"),
        "edge": Command("publisher.cli_edge", "the configuration of nginx, Varnish, Caddy or a CDN"),
        "probe": Command("publisher.cli_probe", "read through each edge as readers do"),
        "bundle": Command("publisher.cli_bundle", "read and prove a site's bundles, as an app does"),
        "cost": Command("publisher.cli_cost", "a month's bill with each provider"),
    },
    "Keeping": {
        "backup": Command("publisher.cli_backup", "the backup: running it, and proving that it comes back"),
        "restore": Command("publisher.cli_backup", "bring the database back from its backup"),
        "archive": Command("publisher.cli_archive", "the whole site in one signed file, and back"),
        "audit": Command("publisher.cli_audit", "prove the log of every change"),
        "keys": Command("publisher.cli_keys", "keys that sign the tokens of the write API"),
        "openapi": Command("publisher.cli_openapi", "the description of the write API, for other tools"),
    },
    "An editor's machine": {
        "login": Command("publisher.cli_account", "sign in to a write API"),
        "logout": Command("publisher.cli_account", "sign out, here and on the site"),
        "post": Command("publisher.cli_desk", "post Markdown files, with or without a network"),
        "pull": Command("publisher.cli_desk", "bring one's own reviews here as Markdown files"),
        "preview": Command("publisher.cli_desk", "a link that shows a review, drafts too"),
        "outbox": Command("publisher.cli_outbox", "what was posted and not sent yet"),
        "conflicts": Command("publisher.cli_outbox", "what was changed both here and on the site"),
        "resolve": Command("publisher.cli_outbox", "end a conflict"),
    },
}
COMMANDS = {name: command.module for section in SECTIONS.values() for name, command in section.items()}
"""Where each command lives."""
