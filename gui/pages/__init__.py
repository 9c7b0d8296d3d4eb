"""The pages, one a file. A page builds widgets, shows a state and emits intent."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gui.pages.page import Page


@dataclass(frozen=True)
class PageEntry:
    """A page in the list on the left. Its module is loaded when the page is first needed: the window shows before."""

    key: str
    title: str
    group: str
    sections: tuple[str, ...] = ()
    """Of the plan, that the page has fields for."""

    @property
    def page(self) -> type[Page]:
        """The page's class, `ModelPage` of `gui.pages.model`."""
        return getattr(import_module(f"gui.pages.{self.key}"), f"{self.title}Page")


PAGES = [
    PageEntry("model", "Model", "Describe", ("model",)),
    PageEntry("hardware", "Hardware", "Describe", ("cluster", "prices")),
    PageEntry("training", "Training", "Describe", ("recipe", "layout")),
    PageEntry("profile", "Profile", "Measure"),
    PageEntry("results", "Results", "Answer"),
    PageEntry("search", "Search", "Answer"),
    PageEntry("perplexity", "Perplexity", "Answer"),
    PageEntry("lifetime", "Lifetime", "Answer", ("lifetime", "post_training")),
    PageEntry("compare", "Compare", "Answer"),
    PageEntry("validate", "Validate", "Answer"),
]
"""In the order of the list on the left, and of Ctrl+1 … Ctrl+9."""
