"""Post-training as a list of stages: what each costs in compute and people, its share for safety, and its form."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from gui.document import Document
from gui.forms import FieldSpec, Form, specs
from gui.row_table import Column, RowTable
from gui.state import State
from gui.widgets import beside, button, column, label, row, scrolling
from planner import units
from planner.errors import TrainplanError
from planner.plan.post_training import PostTraining, Ranged, Stage

ACCOUNT = "llama-2"
"""The shipped account."""
PRICES = (
    "usd_per_gpu_hour", "usd_per_written_answer", "usd_per_comparison", "usd_per_expert_hour", "annotators", "trials",
)  # fmt: skip


def _unit(name: str) -> Any:
    return lambda value: units.show(value, name)


COLUMNS = [
    Column("name", "Part", is_words=True),
    Column("usd", "All", _unit("USD")),
    Column("share", "Share", units.percent),
    Column("people_usd", "People", _unit("USD")),
    Column("safety_usd", "Of it safety", _unit("USD")),
    Column("compute_usd", "Compute", _unit("USD")),
    Column("gpu_hours", "GPU-hours", _unit("GPU-hours")),
    Column("people_hours", "Hours of people", lambda value: f"{value:,.0f}"),
    Column("band", "80 % range", is_words=True),
]
EXPLAINED = ("usd", "share", "people_usd", "safety_usd", "compute_usd", "gpu_hours", "people_hours")
"""Columns whose numbers have a derivation."""


class StagesView(QWidget):
    """The account as a table, and the form of the chosen stage. Edits go to the document."""

    focused = Signal(object)
    failed = Signal(str)

    def __init__(self, document: Document) -> None:
        super().__init__()
        self._document, self._state, self._parts, self._form = document, None, [], None
        self._chosen = ""
        self.words = label(wrap=True, size=0.95)
        self.words.setObjectName("lifetime.account")
        self.table = RowTable(
            "lifetime.stages", "Post-training, stage by stage", COLUMNS, bold=lambda one: one["is_all"]
        )
        self.table.explained = frozenset(EXPLAINED)
        self.table.chosen.connect(self._choose)
        self.begin = button("Start from &Llama 2's account", "lifetime.use_account")
        self.begin.clicked.connect(lambda: self._set("post_training", ACCOUNT, "post-training of Llama 2"))
        self.add = button("&Add stage", "lifetime.add_stage")
        self.add.clicked.connect(self.add_stage)
        self.remove = button("&Remove stage", "lifetime.remove_stage")
        self.remove.clicked.connect(self.remove_stage)
        self._side = column(None, margins=(0, 0, 4, 0))
        stages = column(self.words, self.table, row(self.begin, self.add, self.remove, None), spacing=6)
        split = beside(stages, scrolling(self._side), sizes=(470, 350))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 8, 0, 0)
        layout.addWidget(split)

    def show_state(self, state: State, account: dict[str, Any]) -> None:
        """The plan's stages and, where there are any, what they cost."""
        self._state = state
        self._parts = account.get("parts", [])
        total = account.get("usd") or 1.0
        whole = {"name": "Together", **account, "compute_usd": None, "people_hours": None} if self._parts else None
        self.table.show_rows([
            {**one, "is_all": one is whole, "share": one["usd"] / total, "band": _range(one["bands"]["usd"])}
            for one in [*self._parts, *([whole] if whole else [])]
        ], "No post-training in the plan. Start from Llama 2's account, or add a stage.")  # fmt: skip
        self.words.setText(_words(account))
        self.words.setVisible(bool(self._parts))
        self.begin.setVisible(not self._parts)
        self._show_form()

    def reset(self, plan: Any) -> None:
        """Forget what is typed."""
        if self._form is not None:
            self._show_form(anew=True)

    def focus(self, path: str) -> bool:
        """Put the cursor into a field of the stage that a problem names."""
        stages = self._stages()
        number = path.removeprefix("post_training.stages.").split(".")[0]
        if number.isdecimal() and int(number) < len(stages):
            self._chosen = stages[int(number)].name
            self._show_form()
        return self._form is not None and self._form.focus(path.removesuffix(".value"))

    def add_stage(self) -> None:
        """One more stage, of human ratings; one step that can be undone."""
        stages = [one.model_dump() for one in self._stages()]
        made = Stage(name=f"Stage {len(stages) + 1}", kind="evaluation", source="added by hand").model_dump()
        self._chosen = made["name"]
        self._set("post_training.stages", [*stages, made], "one more stage")

    def remove_stage(self) -> None:
        """Take the chosen stage out; one step that can be undone."""
        kept = [one.model_dump() for one in self._stages() if one.name != self._chosen]
        self._chosen = ""
        self._set("post_training.stages", kept, "one stage less")

    def _set(self, path: str, value: Any, words: str) -> None:
        try:
            self._document.apply({path: value}, words)
        except TrainplanError as error:
            self.failed.emit(str(error))

    def _stages(self) -> tuple[Stage, ...]:
        post = self._document.plan.post_training
        return post.stages if post else ()

    def _choose(self, line: int) -> None:
        self._chosen = self.table.rows.rows[line]["name"]
        self._show_form()

    def _show_form(self, *, anew: bool = False) -> None:
        """The form of the chosen stage; of the account's prices where none is chosen."""
        stages = self._stages()
        number = next((i for i, one in enumerate(stages) if one.name == self._chosen), -1)
        self.remove.setEnabled(number >= 0)
        if self._document.plan.post_training is None:
            fields: list[FieldSpec] = []
        else:
            fields = _stage_fields(number, stages[number]) if number >= 0 else _price_fields()
        paths = [one.path for one in fields]
        if anew or self._form is None or list(self._form.rows) != paths:
            self._replace_form(stages[number].name if number >= 0 else "Prices and people", fields)
        if self._state is not None and self._form is not None and self._state.plan is self._document.plan:
            self._form.show_state(self._state, {})

    def _replace_form(self, title: str, fields: list[FieldSpec]) -> None:
        layout = self._side.layout()
        if self._form is not None:
            self._form.hide()
            layout.removeWidget(self._form)
            self._form.deleteLater()
        self._form = Form(title, fields, self._document) if fields else None
        if self._form is not None:
            self._form.focused.connect(self.focused)
            layout.insertWidget(0, self._form)


def _stage_fields(number: int, stage: Stage) -> list[FieldSpec]:
    """The fields of a stage, each told where its figure is from."""
    found = [one for one in specs(Stage, f"post_training.stages.{number}") if not one.path.endswith(".source")]
    return [_with_source(one, getattr(stage, one.path.split(".")[-1])) for one in found]


def _with_source(spec: FieldSpec, value: Any) -> FieldSpec:
    if not isinstance(value, Ranged) or not value.source:
        return spec
    ends = "" if value.low == value.high else f" ({value.low:g} to {value.high:g})"
    told = f"{spec.description}.<br>{value.value:g}{ends}, {value.confidence}: {value.source}"
    return FieldSpec(spec.path, spec.title, told, spec.unit, spec.advanced, spec.kind, spec.choices, spec.is_optional)


def _price_fields() -> list[FieldSpec]:
    return [one for one in specs(PostTraining, "post_training") if one.path.split(".")[-1] in PRICES]


def _range(band: list[float]) -> str:
    return f"{units.show(band[0], 'USD')} – {units.show(band[1], 'USD')}"


def _words(account: dict[str, Any]) -> str:
    if not account.get("parts"):
        return ""
    all_of = f"{units.show(account['usd'], 'USD')} ({_range(account['bands']['usd'])})"
    return (
        f"{units.show(account['gpu_hours'], 'GPU-hours')} GPU-hours and {all_of} with pre-training and trials, at the "
        f"account's own price of a GPU-hour; people {units.show(account['people_usd'], 'USD')}. Safety takes "
        f"{units.percent(account['safety_share'], 0)} of all and "
        f"{units.percent(account['safety_share_of_post_training'], 0)} of the post-training."
        + (f" {account['price_words']}." if account["price_words"] else "")
    )
