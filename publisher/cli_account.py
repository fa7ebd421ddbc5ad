"""Commands about who writes from this machine: sign in, sign out."""

from __future__ import annotations

import os
import sys
import warnings
from getpass import GetPassWarning

import click

from publisher import cli_sending
from publisher.desk import client
from publisher.desk.client import Wire
from publisher.desk.session import Session
from publisher.errors import DeskError, OfflineError, UnauthenticatedError


@click.command()
@click.argument("url", required=False, envvar="PUBLISHER_URL")
@click.option("--email", envvar="PUBLISHER_EMAIL", help="E-mail address of your account; asked for when not given.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--allow-http", is_flag=True, help="Send the password unencrypted, in a network of your own.")
def login(url: str | None, email: str | None, password_stdin: bool, allow_http: bool) -> None:
    """Sign in to the write API at URL. The password is asked for, or read from PUBLISHER_PASSWORD or standard input.

    The password is not kept: what is kept, readable by you only, is a session, which ends 30 days after it was last
    used, or with `publisher logout`. PUBLISHER_URL and PUBLISHER_EMAIL stand in for what is not given.

    \b
    Examples:
      publisher login https://api.example.com
      pass show reviews | publisher login https://api.example.com --email ana@example.com --password-stdin
    """
    kept = cli_sending.sessions()
    before = _before()
    url = url or (before.url if before else "") or _asked("Address of the API", "give URL or PUBLISHER_URL")
    url = client.address(url, plain=allow_http)
    email = email or _asked("E-mail", "give --email or PUBLISHER_EMAIL")
    wire = Wire(url)
    try:
        session = client.sign_in(wire, email, _password(password_stdin))
    finally:
        wire.close()
    with kept.alone():
        kept.store(session)
    if before is not None:
        _end(before)
    click.echo(f"signed in at {url} as {session.email}")


@click.command()
def logout() -> None:
    """Sign out, here and on the site. What waits in an outbox stays there.

    \b
    Example:
      publisher logout
    """
    kept, before = cli_sending.sessions(), _before()
    with kept.alone():
        kept.forget()
    if before is None:
        click.echo("nobody was signed in")
    elif _end(before):
        click.echo(f"{before.email} is signed out")
    else:
        click.echo(f"{before.email} is signed out here; {before.url} could not be told, and forgets in 30 days")


def _password(from_stdin: bool) -> str:
    """The password, from where it leaves no trace: never an argument."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = os.environ.get("PUBLISHER_PASSWORD") or _asked(
            "Password", "set PUBLISHER_PASSWORD or give --password-stdin", unseen=True
        )
    if not password:
        raise DeskError("the password is empty")
    return password


def _asked(label: str, instead: str, *, unseen: bool = False) -> str:
    """What is typed at the prompt; UsageError says what to do `instead` where nobody can be asked."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", GetPassWarning)  # it would show the password as it is typed
            return str(click.prompt(label, hide_input=unseen))
    except (GetPassWarning, click.Abort) as error:
        if isinstance(error, click.Abort) and sys.stdin.isatty():
            raise
        click.echo()
        raise click.UsageError(f"there is no terminal to ask at; {instead}") from error


def _before() -> Session | None:
    try:
        return cli_sending.sessions().current()
    except UnauthenticatedError:
        return None


def _end(session: Session) -> bool:
    """End a session on the site; false when the site could not be told."""
    wire = Wire(session.url)
    try:
        client.sign_out(wire, session)
    except OfflineError:
        return False
    finally:
        wire.close()
    return True


COMMANDS = (login, logout)
