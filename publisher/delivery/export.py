"""Write the site into a folder that any web server can serve; what the folder holds is looked at, not remembered.

A list of what was written (`.published`) stays in the folder, so that a later export removes only what an earlier one
put there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from publisher.delivery.ledger import Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.push import Pushed
from publisher.delivery.targets import Folder
from publisher.errors import TargetError

LIST = ".published"


def export(
    ledger: Ledger, objects: Objects, folder: Path, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Pushed:
    """Bring `folder` to what was built last; files that differ are replaced, files of our own that are gone removed.

    Raises DamagedObjectError when a body must be rendered again first, TargetError when the folder cannot be written.
    """
    target, desired = Folder(folder, name=str(folder)), list(ledger.desired())
    puts = size = 0
    for number, row in enumerate(desired, start=1):
        body = objects.get(row.body)
        if target.get(row.key) != body:
            target.put(row.key, body, row.content_type, row.cache_control)
            puts, size = puts + 1, size + len(body)
        on_progress(number, len(desired))
    keys = {row.key for row in desired}
    gone = [key for key in _listed(folder) if key not in keys]
    target.delete(gone)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LIST).write_text("".join(f"{key}\n" for key in sorted(keys)), encoding="utf-8")
    except OSError as error:
        raise TargetError(f"cannot write {folder / LIST}: {error.strerror}") from error
    return Pushed(puts, len(gone), size)


def _listed(folder: Path) -> list[str]:
    try:
        return (folder / LIST).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise TargetError(f"cannot read {folder / LIST}: {error}") from error
