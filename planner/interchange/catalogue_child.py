"""Run as a process of its own: every GPU offer of gpuhunt's catalogue as one JSON object on stdout.

gpuhunt gives its downloads no time limit, so that only ending the process ends a download that hangs. Knows nothing of
the planner.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from typing import Any


def main() -> int:
    """Fetch, and print; the exit code: 0 fetched, 4 gpuhunt is missing, 5 no catalogue could be fetched."""
    try:
        import gpuhunt
    except ImportError as error:
        print(error, file=sys.stderr)
        return 4
    catalogue = gpuhunt.Catalog(balance_resources=False, auto_reload=False)
    try:
        catalogue.load()
        items = catalogue.query(min_gpu_count=1)
    except Exception as error:  # whatever a download can raise
        told = error.__cause__ or error
        print(f"{type(told).__name__}: {getattr(told, 'reason', told)}", file=sys.stderr)
        return 5
    loaded = {name: one.version for name, one in catalogue.catalog.items()}
    json.dump({"gpuhunt": version("gpuhunt"), "versions": loaded, "items": list(map(_plain, items))}, sys.stdout)
    return 0


def _plain(item: Any) -> dict[str, Any]:
    names = ("provider", "instance_name", "location", "price", "gpu_count", "gpu_name", "gpu_memory", "spot")
    return {name: getattr(item, name) for name in names}


if __name__ == "__main__":
    sys.exit(main())
