"""What the Perplexity page asks: the law, the budget as text and slider, and how many different tokens there are."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QLabel, QSizePolicy

from gui.fields import ComboField, TextField
from gui.forms import QUIET_MS
from gui.log_slider import LogSlider
from gui.style_sheet import mark
from gui.widgets import Card, button, elided, label, plain, row, sentence
from planner.quality import laws
from planner.quality.budget import Budget, Training, editable_budget, parse_budget, show_budget

SPAN = 100.0
"""The slider goes from the plan's own compute over this factor to the plan's times it."""


@dataclass(frozen=True)
class Asked:
    """What is typed and chosen."""

    law: str
    budget: str
    unique_tokens: str


class FrontierForm(Card):
    """Emits `changed` when another frontier is asked for."""

    changed = Signal()
    fit_wanted = Signal()
    helped = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._training: Training | None = None
        self._unit = ""
        self.body.setContentsMargins(18, 12, 18, 12)
        self.law = ComboField([])
        self.law.setMinimumWidth(150)
        self.law.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.law.chosen.connect(lambda _: self.changed.emit())
        self.fit = button("&Fit own points…", "perplexity.fit")
        self.fit.setToolTip("Fit a law of your own to a CSV with the columns parameters, tokens, loss")
        self.fit.clicked.connect(self.fit_wanted)
        self._quiet = QTimer(self, singleShot=True, interval=QUIET_MS)
        self._quiet.timeout.connect(self.changed)
        tip = "1e24 FLOP, $2M, 3M GPU-hours, 30 days, 500 MWh, 31 t; blank: the plan's own compute"
        self.budget = self._text("budget", "Budget", "the plan's own", tip)
        self.slider = LogSlider(1 / SPAN, SPAN)
        self.slider.setObjectName("perplexity.budget.slider")
        self.slider.setAccessibleName("Budget as a multiple of the plan's compute")
        self.slider.setToolTip("From a hundredth of the plan's compute to a hundred times it")
        self.slider.moved.connect(self._slide)
        tip = "How many different tokens there are, such as 300B; beyond them data are repeated"
        self.unique = self._text("unique_tokens", "Different tokens", "all", tip)
        self.unique.setFixedWidth(92)
        self._amounts = elided(role="muted", size=0.92)
        self._amounts.setObjectName("perplexity.amounts")
        self._message = label(role="error", wrap=True)
        self._message.setObjectName("perplexity.budget.message")
        self._message.hide()
        self.fill_laws()
        self._build()

    def _text(self, name: str, title: str, blank: str, tip: str) -> TextField:
        made = TextField("", is_number=False)
        made.setObjectName(f"perplexity.{name}")
        made.setAccessibleName(title)
        made.setPlaceholderText(blank)
        made.setToolTip(tip)
        made.setFixedWidth(150)
        made.typed.connect(lambda _: self._quiet.start())
        made.left.connect(lambda _: self.changed.emit())
        made.entered.connect(lambda: self.helped.emit(f"{title}: {tip}"))
        return made

    def _build(self) -> None:
        captions = [QLabel("&Law"), QLabel("&Budget"), QLabel("&Different tokens")]
        for caption, field in zip(captions, (self.law, self.budget, self.unique), strict=True):
            caption.setBuddy(field)
        self.law.setObjectName("perplexity.law")
        self.law.setAccessibleName("Scaling law")
        first = row(captions[0], self.law, captions[2], self.unique, spacing=10)
        second = row(captions[1], self.budget, self.slider, self.fit, spacing=10)
        second.layout().setStretch(2, 1)
        self.body.setSpacing(5)
        self.add(first, second, self._amounts, self._message)

    def fill_laws(self, chosen: str = "") -> None:
        """Every law that says how a budget is best spent, the user's own among them."""
        before = chosen or self.law.currentData() or laws.DEFAULT
        self.law.clear()
        for name in laws.names():
            law = laws.law(name)
            if law.gives_optimum:
                self.law.addItem(law.title if law.gives_loss else f"{law.title} – sizes only", name)
        self.law.show_value(before)

    def asked(self) -> Asked:
        """What is typed and chosen now."""
        return Asked(self.law.currentData(), self.budget.text().strip(), self.unique.text().strip())

    def parsed_budget(self) -> Budget | None:
        """The budget that is typed. Raises `InputError`."""
        return parse_budget(self.budget.text()) if self.budget.text().strip() else None

    def show_budget(self, training: Training, flops: float, budget: Budget | None) -> None:
        """The slider where the budget is, and the budget in every unit."""
        self._training = training
        if budget is not None:
            self._unit = budget.unit
        self.slider.show_value(flops / training.flops)
        words = " = ".join(show_budget(amount, unit) for unit, amount in training.amounts(flops).items())
        self._amounts.setText(words)
        self._amounts.setToolTip(plain(f"{words}: at what the plan costs a FLOP. Price: {training.price_source}"))

    def say(self, message: str, field: str = "budget") -> None:
        """Tell what is wrong with a field; nothing where all is well."""
        self._message.setText(f"✕ {sentence(message)}" if message else "")
        self._message.setVisible(bool(message))
        for name, made in (("budget", self.budget), ("unique", self.unique)):
            mark(made, "invalid", "true" if message and name == field else "false")

    def _slide(self, multiple: float) -> None:
        if self._training is None:
            return
        known = self._training.amounts(self._training.flops * multiple)
        unit = self._unit if self._unit in known else "USD" if "USD" in known else "FLOP"
        self.budget.setText(editable_budget(known[unit], unit))
        self.budget.setCursorPosition(0)
        self.changed.emit()
