"""The Model page: choose a known architecture or describe one's own; the parameters by part follow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLabel

from gui.document import Document
from gui.fields import SearchField
from gui.forms import Form, specs
from gui.pages.page import DescribePage
from gui.state import State
from gui.tables import FigureTree
from gui.widgets import Card, button, label, row
from planner import library
from planner.errors import InputError
from planner.plan import shipped
from planner.plan.model import Model
from planner.plan.plan import Plan

if TYPE_CHECKING:
    from planner.estimate import Figure

OF_THE_RECIPE = ("work.step_tokens", "work.rank_sequences")
"""Figures of the work that the Training page shows."""


class ModelPage(DescribePage):
    """The transformer's dimensions."""

    key = "model"
    load_config = Signal()
    """A Hugging Face config is to be asked for."""

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        preset = self._make_preset()
        fields = [spec for spec in specs(Model, "model") if spec.path != "model.source"]
        self._form = Form("Dimensions", fields, document)
        self._parts = FigureTree("model.parts", "Parameters and work by part")
        self._parts.opened.connect(self.explain)
        self._parts.setMinimumHeight(420)
        self._source = label(role="muted", size=0.92, wrap=True)
        side = Card("What follows")
        side.body.setContentsMargins(10, 14, 10, 14)  # the table needs the width
        side.add(self._parts, self._source)
        self._build([preset, self._form], [side])

    def _make_preset(self) -> Card:
        card = Card()
        self.preset = SearchField(library.names("models"))
        self.preset.setObjectName("model.preset")
        self.preset.setAccessibleName("Known model")
        self.preset.setMinimumWidth(240)
        self.preset.chosen.connect(self._choose)
        self.preset.typed_unknown.connect(self._choose)
        caption = QLabel("&Known model")
        caption.setBuddy(self.preset)
        self._edited = label(role="warning")
        load = button("&Load config.json…", "model.load_config")
        load.setToolTip("Take the model of a Hugging Face config; dropping the file on the window does the same")
        load.clicked.connect(self.load_config)
        hint = "Type any part of a name to search. Each dimension below may then be changed."
        told = label(hint, "muted", size=0.92, wrap=True)
        card.add(row(caption, self.preset, self._edited, None, spacing=12), row(told, load, spacing=12))
        return card

    def show_state(self, state: State) -> None:
        """Show the dimensions and what follows from them."""
        super().show_state(state)
        model = state.plan.model
        self.preset.show_value(model.name)
        self._edited.setText("" if _is_as_shipped(model) else "✎ changed")
        self._source.setText(f"Source: {model.source} {model.as_of}".strip() if model.source else "")
        if state.estimate:
            figures = state.estimate.figures
            shown = [one for key, one in figures.items() if key.startswith("work.") and key not in OF_THE_RECIPE]
            self._parts.show_figures([_briefly_named(one) for one in shown], None)

    def reset(self, plan: Plan) -> None:
        """Show the plan's model again."""
        super().reset(plan)
        self.preset.show_value(plan.model.name)

    def _choose(self, name: str) -> None:
        plan, changes = self.document.plan, {"model": name}
        if plan.name == plan.model.name:
            changes["name"] = name  # an example's plan is called after its model
        try:
            self.document.apply(changes, f"model {name}")
        except InputError as error:
            self.failed.emit(str(error))
            self.preset.show_value(self.document.plan.model.name)


def _briefly_named(figure: Figure) -> Figure:
    """The narrow table says `Model FLOPs (causal)`; the explanation has the whole name."""
    return replace(figure, label=figure.label.replace(" attention)", ")"))


def _is_as_shipped(model: Model) -> bool:
    try:
        return model == shipped.model(model.name)
    except InputError:
        return False
