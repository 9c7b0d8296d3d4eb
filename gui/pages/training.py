"""The Training page: the recipe and how it is laid over the GPUs, the product of the degrees checked live."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal

from gui import derived
from gui.document import Document
from gui.facts import Facts, FigureLabel
from gui.forms import Form, specs
from gui.pages.page import DescribePage
from gui.recipe_advice import RecipeAdvice
from gui.state import State
from gui.style_sheet import mark
from gui.tables import FigureTree
from gui.token_proposals import TokenProposals
from gui.widgets import Card, button, label, row
from planner import library, units
from planner.plan.layout import Layout
from planner.plan.recipe import Recipe

FIGURES = {
    "Tokens a step": "work.step_tokens",
    "Steps": "work.steps",
    "Sequences a step and rank": "work.rank_sequences",
}
"""Keys of the estimate's figures that the facts of the batch are."""


class TrainingPage(DescribePage):
    """How it is trained, laid out how."""

    key = "training"
    suggest = Signal()
    """Search for the layout that suits the plan's cluster."""

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        recipe = Form("Recipe", specs(Recipe, "recipe", {"framework": lambda: library.names("frameworks")}), document)
        layout = Form("Layout", specs(Layout, "layout"), document)
        self._product = label(wrap=True, bold=True)
        self._product.setObjectName("layout.product")
        self._facts = Facts()
        self._facts.opened.connect(self.explain)
        card = Card("Does it come out even?")
        ask = button("&Suggest a layout", "training.suggest")
        ask.setToolTip("Search every layout of this plan on its cluster")
        ask.clicked.connect(self.suggest)
        card.add(self._product, self._facts, row(ask, None))
        self._memory = FigureTree("training.memory", "Memory of a GPU")
        self._memory.opened.connect(self.explain)
        self._memory.setMinimumHeight(300)
        memory = Card("Memory of a GPU")
        self._limit = FigureLabel("training.memory.limit")
        self._limit.opened.connect(self.explain)
        mark(self._limit, "role", "muted")
        memory.add(self._limit, self._memory)
        self.proposals = TokenProposals()
        self.proposals.taken.connect(self._train_on)
        self.proposals.helped.connect(self.help)
        self.advice = RecipeAdvice()
        self.advice.taken.connect(self._take)
        for one in (self.proposals, self.advice):
            one.explain_figure.connect(self.explain_figure)
        self._build([recipe, layout], [self.proposals, self.advice, card, memory])

    def show_state(self, state: State) -> None:
        """Show the forms, the product and the memory that follows."""
        super().show_state(state)
        text, is_even = derived.layout_line(state.plan)
        self._product.setText(f"{'✓' if is_even else '✕'}  {text}")
        mark(self._product, "role", "good" if is_even else "error")
        self._facts.show_facts(derived.batch_facts(state.plan), FIGURES if state.estimate else {})
        self.proposals.show_estimate(state.estimate)
        self.advice.show_estimate(state.estimate)
        if state.estimate:
            total = state.estimate.figures.get("memory.total")
            self._memory.show_figures(list(state.estimate.memory_parts), total)
            capacity = derived.units.show(state.plan.cluster.accelerator.memory_bytes, "B")
            text = f"{total.text if total else '–'} of {capacity}"
            self._limit.show_text(text, "memory.total" if total else "", "Memory of the fullest GPU")

    def _take(self, changes: dict[str, Any], words: str) -> None:
        self.document.apply(changes, words)
        self.done.emit(f"The plan now has a {words}. Ctrl+Z takes it back.")

    def _train_on(self, tokens: int) -> None:
        words = f"{units.show(tokens)} training tokens"
        self.document.apply({"recipe.tokens": tokens}, words)
        self.done.emit(f"The plan now has {words}. Ctrl+Z takes it back.")
