"""The pictures of README and docs, in both looks, small: `make pictures`. Needs no screen."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "screenshots"
PAGES = ("training", "profile", "results", "search", "perplexity", "lifetime", "validate")
COLOURS = 256
"""Enough for flat surfaces and smooth letters, rare colours kept; a picture is then less than half as large."""


def main() -> None:
    """Take every page, keep those that the docs show, with fewer colours."""
    for theme in ("light", "dark"):
        with tempfile.TemporaryDirectory() as folder:
            taken = [sys.executable, str(ROOT / "main.py"), "screenshots", folder, "--theme", theme]
            subprocess.run(taken, check=True, stdout=subprocess.DEVNULL)
            for page in PAGES:
                picture = Image.open(Path(folder) / f"{page}.png").convert("RGB")
                few = picture.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
                few.save(FOLDER / f"{page}-{theme}.png", optimize=True)


if __name__ == "__main__":
    main()
