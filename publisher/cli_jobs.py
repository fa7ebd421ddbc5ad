"""Commands about long work: list the jobs, look at one, stop one."""

from __future__ import annotations

import click
import msgspec

from publisher import local
from publisher.jobs import Job, Jobs
from publisher.settings import Settings

as_json = click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")


@click.group(name="jobs")
def group() -> None:
    """Long work that was asked for: imports, rebuilds, exports."""


@group.command(name="list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many at most.")
@as_json
@click.pass_obj
def show_all(held: Settings, limit: int, in_json: bool) -> None:
    """List the jobs, the newest first.

    \b
    Example:
      publisher jobs list --limit 5
    """
    jobs = _jobs(held)
    try:
        found = jobs.page(limit=limit)
    finally:
        jobs.close()
    if in_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    for job in found:
        click.echo(f"{job.id}  {job.kind:<8} {job.state:<9} {_progress(job):>16}  {job.created_at:%Y-%m-%d %H:%M} UTC")
    if not found:
        click.echo("no job was asked for")


@group.command(name="show")
@click.argument("job_id")
@as_json
@click.pass_obj
def show(held: Settings, job_id: str, in_json: bool) -> None:
    """Say how far the job JOB_ID is, and what it did.

    \b
    Example:
      publisher jobs show 019a2f6e-7d10-7c3a-9b1e-2f7d64c0a8b1
    """
    jobs = _jobs(held)
    try:
        job = jobs.get(job_id)
    finally:
        jobs.close()
    _tell(job, in_json)


@group.command(name="cancel", short_help="Stop a job.")
@click.argument("job_id")
@as_json
@click.pass_obj
def cancel(held: Settings, job_id: str, in_json: bool) -> None:
    """Stop the job JOB_ID: at once if it waits, otherwise at its next step. What it did stays.

    \b
    Example:
      publisher jobs cancel 019a2f6e-7d10-7c3a-9b1e-2f7d64c0a8b1
    """
    jobs = _jobs(held)
    try:
        job = jobs.cancel(job_id)
    finally:
        jobs.close()
    _tell(job, in_json)


def _jobs(held: Settings) -> Jobs:
    return Jobs(local.remembered(held).data.jobs_db)


def _tell(job: Job, in_json: bool) -> None:
    if in_json:
        click.echo(msgspec.json.encode(job).decode())
        return
    state = "stopping" if job.is_cancelling and not job.is_finished else job.state
    click.echo(f"{job.kind} {state}  {_progress(job)}".rstrip())
    for name, value in job.receipt.items():
        click.echo(f"  {name:<12} {value}")
    if job.code:
        click.echo(f"  {job.code}: {job.detail}")


def _progress(job: Job) -> str:
    return f"{job.done:,} of {job.total:,}" if job.total else ""


COMMANDS = (group,)
