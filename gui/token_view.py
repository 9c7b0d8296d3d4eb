"""A text under real tokenizers: what it does to the plan's tokens, hours and dollars, and to a perplexity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTemporaryDir, Signal
from PySide6.QtWidgets import QLabel, QPlainTextEdit, QSplitter, QVBoxLayout, QWidget

from gui.fields import ComboField, TextField
from gui.jobs import Job, Outcome
from gui.row_table import Column, RowTable
from gui.style_sheet import mark
from gui.widgets import button, column, label, row, sentence
from planner import units
from planner.errors import TrainplanError
from planner.plan import file
from planner.plan.plan import Plan
from planner.quality import tokenizers

EXAMPLE = "Tacobell or Taco Bell? The same words, cut otherwise: paste a text of your own here."


def _unit(name: str) -> Any:
    return lambda value: units.show(value, name)


COLUMNS = [
    Column("title", "Tokenizer", is_words=True),
    Column("vocabulary", "Vocabulary", lambda count: f"{count:,}"),
    Column("tokens", "Tokens", lambda count: f"{count:,.0f}"),
    Column("bytes_per_token", "Bytes/token", lambda value: f"{value:.3f}"),
    Column("tokens_per_word", "Tokens/word", lambda value: f"{value:.3f}"),
    Column("perplexity", "As good as", lambda value: f"{value:.4g}", "Perplexity with equal bits a byte of this text"),
    Column("plan_tokens", "Training", _unit(""), "The plan's text in tokens of this tokenizer"),
    Column("train_time_s", "Time", _unit("s")),
    Column("gpu_hours", "GPU-hours", _unit("GPU-hours")),
    Column("cost_usd", "Cost", _unit("USD")),
    Column(
        "kind", "How", is_words=True, tip="Counted here, or estimated from the length of its tokens on another text"
    ),
    Column("pieces", "Pieces", is_words=True),
    Column("source", "Source", is_words=True),
]
EXPLAINED = ("tokens", "bytes_per_token", "tokens_per_word", "perplexity", "plan_tokens", "train_time_s", "gpu_hours",
             "cost_usd")  # fmt: skip
"""Columns whose numbers have a derivation."""


class TokenView(QWidget):
    """Runs the command line's `tokens` on what is typed."""

    run = Signal(list)
    failed = Signal(str)
    explain_figure = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._folder = QTemporaryDir()
        self._plan: Plan | None = None
        self._asked: tuple[Plan | None, str, str] = (None, "", "")
        self._answer: dict[str, Any] = {}
        self.text = QPlainTextEdit()
        self.text.setObjectName("tokens.text")
        self.text.setAccessibleName("Text to cut into tokens")
        self.text.setPlainText(EXAMPLE)
        self.text.setTabChangesFocus(True)
        self.base = ComboField([(one["title"], one["name"]) for one in tokenizers.rows()])
        self.base.setObjectName("tokens.base")
        self.base.setAccessibleName("Tokenizer of the plan and of the perplexity")
        self.base.setToolTip("Which tokenizer the plan's tokens and the perplexity are counted with")
        self.base.show_value(tokenizers.DEFAULT_BASE)
        self.perplexity = TextField("", is_number=False)
        self.perplexity.setObjectName("tokens.perplexity")
        self.perplexity.setAccessibleName("Perplexity")
        self.perplexity.setPlaceholderText("none")
        self.perplexity.setToolTip("A perplexity a token of that tokenizer on this text, such as 5.47")
        self.perplexity.setFixedWidth(84)
        self.perplexity.returnPressed.connect(self.begin)
        self.start = button("&Count", "tokens.run")
        self.start.clicked.connect(self.begin)
        self.status = label("Counts the text under every tokenizer that is installed.", "muted", wrap=True, size=0.92)
        self.status.setObjectName("tokens.status")
        self.table = RowTable("tokens.rows", "Tokenizers", COLUMNS)
        self.table.empty_text = "Press Count."
        self.table.explained = frozenset(EXPLAINED)
        self.table.explain.connect(self._explain)
        self._build()

    def _build(self) -> None:
        captions = [QLabel("&Perplexity"), QLabel("a token &of")]
        for caption, field in zip(captions, (self.perplexity, self.base), strict=True):
            caption.setBuddy(field)
        top = row(self.start, captions[0], self.perplexity, captions[1], self.base, None, spacing=10)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(8)
        split.addWidget(self.text)
        split.addWidget(column(top, self.status, self.table, spacing=6))
        split.setSizes([110, 320])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 8, 0, 0)
        layout.addWidget(split)

    def show_plan(self, plan: Plan) -> None:
        """The plan whose tokens, hours and dollars follow."""
        self._plan = plan

    def begin(self) -> None:
        """Count what is typed."""
        if self._plan is None or not self.start.isEnabled():
            return
        text, plan = Path(self._folder.filePath("text.txt")), Path(self._folder.filePath("plan.json"))
        try:
            text.write_text(self.text.toPlainText(), "utf-8")
            file.save(self._plan, plan)
        except (TrainplanError, OSError) as error:
            self.failed.emit(str(error))
            return
        said = ["tokens", str(text), "--plan", str(plan), "--events", "--base", self.base.currentData()]
        if self.perplexity.text().strip():
            said.append(f"--perplexity={self.perplexity.text().strip()}")
        self._asked = self._plan, self.base.currentData(), self.perplexity.text().strip()
        self.start.setEnabled(False)
        self._say("Counting…", "muted")
        self.run.emit(said)

    def follow(self, job: Job) -> None:
        """Show a job's answer."""
        job.ended.connect(self._end)

    def _end(self, outcome: Outcome) -> None:
        self.start.setEnabled(True)
        if outcome.status != "done":
            self._say(f"✕ {sentence(outcome.message)}", "error")
            return
        answer = self._answer = outcome.result
        rows = [
            {**one, "pieces": " | ".join(one["pieces"]) or None, "perplexity": one.get("perplexity"),
             "plan_tokens": one["plan"]["tokens"], **{key: one["plan"][key] for key in
                                                      ("train_time_s", "gpu_hours", "cost_usd")}}
            for one in answer["tokenizers"]
        ]  # fmt: skip
        self.table.show_rows(rows, "No tokenizer.")
        self.table.setColumnHidden(next(i for i, one in enumerate(COLUMNS) if one.key == "perplexity"),
                                   not any(one["perplexity"] for one in rows))  # fmt: skip
        words = f"{answer['words']:,} words, {answer['bytes']:,} bytes"
        short = [warning for warning in answer["warnings"] if "says little" in warning]
        self._say("; ".join([words, *short]), "muted")

    def _explain(self, line: int, column: str) -> None:
        """The derivation of a cell, of what was asked."""
        plan, base, typed = self._asked
        counts = {one["name"]: _count(one, self._answer) for one in self._answer["tokenizers"]}
        if plan is None or base not in counts:
            self.failed.emit("The tokenizer of the plan is not installed here, so this cannot be derived.")
            return
        one = counts[self._answer["tokenizers"][line]["name"]]
        try:
            found = tokenizers.explained(column, one, counts[base], plan, float(typed) if typed else None)
        except (TrainplanError, ValueError) as error:
            self.failed.emit(str(error))
            return
        if found is not None:
            self.explain_figure.emit(found)

    def _say(self, text: str, role: str) -> None:
        mark(self.status, "role", role)
        self.status.setText(text)


def _count(one: dict[str, Any], answer: dict[str, Any]) -> tokenizers.Count:
    return tokenizers.Count(
        one["name"], one["title"], one["vocabulary"], one["tokens"], one["kind"], one["source"], answer["bytes"],
        answer["words"],
    )  # fmt: skip
