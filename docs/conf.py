"""Sphinx's settings: `make docs` builds the site into build/site, and a dead link fails it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import reference  # noqa: E402

import planner  # noqa: E402

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "Trainplan"
author = "the authors of Trainplan"
version = release = planner.__version__
extensions = ["myst_parser"]
exclude_patterns = ["screenshots", "schemas"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
html_theme = "furo"
html_title = f"Trainplan {release}"
html_favicon = "../gui/desktop/trainplan.svg"
html_copy_source = html_show_sourcelink = html_show_copyright = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#1f4e79", "color-brand-content": "#2458c5", "code-font-size": "0.72rem",
    },
    "dark_css_variables": {"color-brand-primary": "#8fb8e0", "color-brand-content": "#8fb8ff"},
}  # fmt: skip
pygments_style = "default"
pygments_dark_style = "native"


def setup(app: Sphinx) -> None:
    """The generated pages are written before Sphinx looks for pages."""
    app.connect("builder-inited", lambda _: reference.write(HERE / "generated"))
