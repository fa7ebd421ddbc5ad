"""Print how the service describes itself: `python -m api.describe FORMAT BASE_URL`.

Nothing is opened for it: no store, no port.
"""

from __future__ import annotations

import sys

from api.app import from_environment
from api.clients.formats import FORMS


def main() -> None:
    """Print the form that the first argument names, for a service at the address in the second."""
    form, base_url = sys.argv[1:]
    sys.stdout.buffer.write(FORMS[form].make(from_environment(), base_url))


if __name__ == "__main__":
    main()
