"""The pages, one a file. A page builds widgets, shows a state and emits intent."""

from __future__ import annotations

from gui.pages.compare import ComparePage
from gui.pages.hardware import HardwarePage
from gui.pages.lifetime import LifetimePage
from gui.pages.model import ModelPage
from gui.pages.page import Page
from gui.pages.perplexity import PerplexityPage
from gui.pages.profile import ProfilePage
from gui.pages.results import ResultsPage
from gui.pages.search import SearchPage
from gui.pages.training import TrainingPage
from gui.pages.validate import ValidatePage

PAGES: list[type[Page]] = [
    ModelPage, HardwarePage, TrainingPage, ProfilePage, ResultsPage, SearchPage, PerplexityPage, LifetimePage,
    ComparePage, ValidatePage,
]  # fmt: skip
"""In the order of the list on the left, and of Ctrl+1 … Ctrl+9."""
