"""The Validate page: published runs against predictions, as `validate` on the command line scores them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QDir, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QFileDialog, QFrame, QLabel, QSizePolicy, QTabWidget, QVBoxLayout

from gui.document import Document
from gui.facts import EXPLAIN_KEYS
from gui.fields import ComboField
from gui.jobs import Job, Outcome
from gui.linked_chart import LinkedChart
from gui.pages.page import Page
from gui.row_table import Column, RowTable
from gui.sidebar import Sign
from gui.slices import Slices
from gui.state import State
from gui.style_sheet import mark
from gui.widgets import beside, button, column, elided, framed, label, plain, row
from planner import units
from planner.errors import TrainplanError

if TYPE_CHECKING:
    from planner.estimate import Figure
    from planner.validation.statistics import Sample

METRICS = {
    "step_time_s": "Step time", "memory_bytes": "Memory", "gpu_hours": "GPU-hours", "energy_kwh": "Energy",
    "co2e_kg": "CO2e", "fits": "Fits",
}  # fmt: skip
SKIPPED = "skipped"
ALL_SOURCES = "all sources"
CARDS = {
    "n": ("Step times", "scored"), "median_abs_error": ("Median error", "of either sign"),
    "mape": ("Mean error", "of either sign"), "p90_abs_error": ("90th percentile", "of the error"),
    "bias": ("Bias", "mean signed error"), "within_band": ("Inside the band", "80 % is the aim"),
}  # fmt: skip
FAR = 0.25
"""An error from here on is coloured, and lies outside the outer lines of the chart."""


def show_score(name: str, value: Any) -> str:
    """A summary's figure as the command line prints it."""
    if value is None:
        return "–"
    if name == "n":
        return f"{value:,}"
    return units.percent(value, 0 if name == "within_band" else 1, sign=name == "bias")


def _tone_of_error(one: dict[str, Any]) -> str:
    return "bad" if one["error"] is not None and abs(one["error"]) > FAR else ""


VERDICTS = {"published": ("ran", "failed"), "predicted": ("fits", "does not fit")}


def _text(name: str, one: dict[str, Any]) -> str:
    """A row's figure in its unit, or whether it ran and is said to fit."""
    from planner.validation import UNITS

    value = one[name]
    if value is None:
        return ""
    yes, no = VERDICTS[name]
    return (yes if value else no) if one["metric"] == "fits" else units.show(value, UNITS[one["metric"]])


def _score(name: str) -> Any:
    return lambda value: show_score(name, value)


SCORES = [
    Column("name", "Source", is_words=True),
    Column("n", "n", _score("n"), "Step times scored"),
    Column("mape", "Mean error", _score("mape"), "Mean of the absolute error"),
    Column("median_abs_error", "Median", _score("median_abs_error"), "Median of the absolute error"),
    Column("p90_abs_error", "90th perc.", _score("p90_abs_error"), "90th percentile of the absolute error"),
    Column("bias", "Bias", _score("bias"), "Mean signed error"),
    Column("within_band", "In band", _score("within_band"), "Share inside the 80 % interval"),
    Column("rank_correlation", "Rank corr.", lambda value: f"{value:.3f}", "Does it order the rows as measured?"),
]
ROWS = [
    Column("id", "Run", is_words=True),
    Column("error", "Error", partial(units.percent, sign=True), "Predicted ÷ published − 1", tone=_tone_of_error),
    Column("inside_band", "Band", lambda inside: "✓" if inside else "✕", "Inside the 80 % interval",
           is_words=True, tone=lambda one: "" if one["inside_band"] is not False else "bad"),
    Column("published_text", "Published", sort_by="published", of_row=partial(_text, "published")),
    Column("predicted_text", "Predicted", sort_by="predicted", of_row=partial(_text, "predicted")),
    Column("gpu", "GPU", is_words=True),
    Column("source", "Source", is_words=True),
    Column("skipped", "Why skipped", is_words=True),
    Column("assumed", "Assumed", ", ".join, "Fields that the source leaves blank", is_words=True),
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Points:
    """What the chart draws: rows of one metric that have both figures, or some that stand for them."""

    sample: Sample
    metric: str
    unit: str


class ValidatePage(Page):
    """Runs `validate` on the shipped table or one's own, and shows its numbers."""

    key = "validate"
    run = Signal(list)
    cancel = Signal()
    is_automatic = True
    """It takes a second and begins by itself: nobody need be asked before it is ended."""

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self._answer: dict[str, Any] = {}
        self._coming = _Rows()
        self._rows = _Rows()
        self._explaining = Slices(self)
        self._lines: list[dict[str, Any]] = []
        self._drawn: list[dict[str, Any]] = []
        self._has_begun = self._is_running = False
        self._good = ""
        self._make_widgets()
        self._build()
        self._show_running(False)

    # What is on screen.

    def _make_widgets(self) -> None:
        self.runs = _combo("validate.table", "Table of runs", [("Shipped table", "")])
        self.runs.chosen.connect(lambda _: self.begin())
        self.add = button("A&dd own table…", "validate.add")
        self.add.setToolTip("Open a CSV of your own runs, of the form of the shipped profiles/runs.csv")
        self.add.clicked.connect(self.ask_open)
        self.start = button("Run &again", "validate.run")
        self.start.clicked.connect(self.begin)
        self.stop = button("Cancel", "validate.cancel")
        self.stop.clicked.connect(self.cancel)
        self.status = label("Not run yet.", wrap=True)
        self.status.setObjectName("validate.status")
        self.cards = {name: _ScoreCard(name, *texts) for name, texts in CARDS.items()}
        self.others = label(role="muted", wrap=True, size=0.92)
        self.others.setObjectName("validate.others")
        self.metric = _combo("validate.metric", "Figure", [])
        self.metric.setMinimumWidth(164)
        self.metric.chosen.connect(lambda _: self._fill_rows())
        self.source = _combo("validate.source", "Source", [(ALL_SOURCES, "")])
        self.source.setSizeAdjustPolicy(ComboField.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.source.setMinimumContentsLength(8)  # long names are read in the list, which is as wide as they are
        self.source.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.source.chosen.connect(lambda _: self._fill_rows())
        self.table = RowTable("validate.rows", "Published runs", ROWS)
        self.table.chosen.connect(self._choose_line)
        self.table.explained = frozenset({"predicted_text", "published_text", "error"})
        self.table.explain.connect(lambda line, column: self._explain(self._lines[line], column == "published_text"))
        self.by_source = RowTable("validate.by_source", "Errors by source", SCORES, bold=lambda one: one["is_all"])
        self.by_source.opened.connect(self._open_source)
        self.by_gpu = RowTable("validate.by_gpu", "Errors by GPU", _named("GPU"), bold=lambda one: one["is_all"])
        for table in (self.by_source, self.by_gpu):
            table.explained = frozenset(column.key for column in SCORES[1:])
            table.explain.connect(partial(self._explain_score, table))
        for name, card in self.cards.items():
            card.opened.connect(partial(self._explain_card, name))
        self.chart = LinkedChart("predicted_against_published", "Predicted against published")
        self.chart.setMinimumHeight(150)
        self.chart.picked.connect(self._choose_point)
        self.chart.explain.connect(self.explain_figure)
        self.chart.explainer = lambda number: self._figure(self._drawn[number])
        self.chart.failed.connect(self.failed)
        self.chart.saved.connect(self.done)

    def _build(self) -> None:
        captions = [QLabel("&Table"), QLabel("Fi&gure"), QLabel("&Source")]
        for caption, field in zip(captions, (self.runs, self.metric, self.source), strict=True):
            caption.setBuddy(field)
            caption.setMinimumWidth(caption.sizeHint().width() + 4)
        top = row(captions[0], self.runs, self.status, self.stop, self.start, self.add, spacing=10)
        top.layout().setStretch(2, 1)
        cards = row(*self.cards.values(), spacing=10)
        for number in range(len(self.cards)):
            cards.layout().setStretch(number, 1)
        self.tabs = QTabWidget()
        self.tabs.setObjectName("validate.tabs")
        self.tabs.setAccessibleName("Rows and summaries")
        self.tabs.tabBar().setDrawBase(False)
        choose = row(captions[1], self.metric, captions[2], self.source)
        choose.layout().setStretch(3, 1)
        rows = column(choose, self.table, margins=(0, 8, 0, 0), spacing=6)
        rows.layout().setStretch(1, 1)
        self.tabs.addTab(rows, "Ru&ns")
        self.tabs.addTab(column(self.by_source, margins=(0, 8, 0, 0)), "By s&ource")
        self.tabs.addTab(column(self.by_gpu, margins=(0, 8, 0, 0)), "By G&PU")
        split = beside(self.tabs, framed(self.chart), sizes=(560, 420), stretch=(5, 4))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        content = column(top, cards, self.others, split, margins=(18, 14, 18, 14), spacing=8)
        content.layout().setStretch(3, 1)
        layout.addWidget(content)

    def show_state(self, state: State) -> None:
        """The table does not depend on the plan; the first visit runs it."""
        if not self._has_begun:
            self.begin()

    # The run.

    def begin(self) -> None:
        """Score the table that is chosen."""
        if self._is_running:
            return
        self._has_begun = True
        path = self.runs.currentData()
        self._show_running(True)
        self._say("Waiting for the job before it…", "muted")
        self.run.emit(["validate", "--events", *(["--runs", path] if path else [])])

    def ask_open(self) -> None:
        """Open a table of one's own, with the file dialog."""
        name, _ = QFileDialog.getOpenFileName(self, "Add a table of runs", QDir.homePath(), "Table (*.csv)")
        if name:
            self.open(Path(name))

    def open(self, path: Path) -> None:
        """Score a table of one's own; one that cannot be read changes nothing."""
        if self._is_running:
            return
        if self.runs.findData(str(path)) < 0:
            self.runs.addItem(path.name, str(path))
            self.runs.setItemData(self.runs.count() - 1, plain(str(path)), Qt.ItemDataRole.ToolTipRole)
        self.runs.show_value(str(path))
        self.begin()

    def follow(self, job: Job) -> None:
        """Show a job as it goes; its rows are kept until the answer is whole."""
        self._coming = _Rows()
        job.started.connect(lambda: self._say("Predicting every run…", "muted"))
        job.event.connect(self._take)
        job.ended.connect(self._end)

    def _take(self, told: dict[str, Any]) -> None:
        if told.get("event") == "rows":
            self._coming.add(told["rows"])
        elif told.get("event") == "progress":
            doing, done = told["doing"], units.percent(told["fraction"], 0)
            self._say(f"{doing[:1].upper()}{doing[1:]} ({done})…", "muted")

    def job_name(self, arguments: list[str]) -> str:
        """What the job is called while it runs."""
        return "Validation"

    def _end(self, outcome: Outcome) -> None:
        self._show_running(False)
        path = self.runs.currentData()
        if outcome.status == "done" and outcome.result.get("event") == "finished":
            self._good = path
            self._rows, self._coming = self._coming, _Rows()
            self._show_answer(outcome.result)
            return
        if path != self._good:
            self.runs.removeItem(self.runs.currentIndex())
            self.runs.show_value(self._good)
        if outcome.status == "cancelled":
            self._say("Cancelled.", "warning")
            return
        what = "crashed" if outcome.status == "crashed" else "failed"
        self._say(f"✕ The validation {what}: {outcome.message}", "error")
        self.status.setToolTip(plain(outcome.message))
        self.last = Sign("✕", "bad", f"the last validation {what}")

    def _show_answer(self, answer: dict[str, Any]) -> None:
        self._answer = answer
        summary, found = answer["summary"], self._rows
        for name, card in self.cards.items():
            card.show_text(show_score(name, summary[name]))
        sources = len(found.sources)
        told = f"✓ {found.count:,} figures of {sources:,} source{'' if sources == 1 else 's'}"
        self._say(f"{told}; {len(found.by_metric[SKIPPED]):,} skipped", "")
        self.others.setText(_others(answer))
        self.by_source.show_rows(_scores(answer["by_source"], summary), "No step time to score.")
        self.by_gpu.show_rows(_scores(answer["by_gpu"], summary), "No step time to score.")
        self._fill_choices()
        self._fill_rows()
        median = summary["median_abs_error"]
        self.last = Sign("✓", "good", f"median error {show_score('mape', median)} over {summary['n']} step times")

    # Rows, filtered.

    def _fill_choices(self) -> None:
        counts = {name: len(rows) for name, rows in self._rows.by_metric.items()}
        choices = [(f"{title} ({counts[name]:,})", name) for name, title in METRICS.items() if counts[name]]
        choices.append((f"Skipped ({counts[SKIPPED]:,})", SKIPPED))
        _fill(self.metric, choices)
        _fill(self.source, [(ALL_SOURCES, ""), *((name, name) for name in sorted(self._rows.sources))])

    def _fill_rows(self) -> None:
        from planner.validation.statistics import sample

        metric, source = self.metric.currentData(), self.source.currentData()
        self._lines = [one for one in self._rows.by_metric.get(metric, []) if source in ("", one["source"])]
        hidden = {"skipped": metric != SKIPPED, "inside_band": metric != "step_time_s", "source": bool(source)}
        hidden |= dict.fromkeys(("published_text", "predicted_text"), metric == SKIPPED)
        hidden["error"] = metric in (SKIPPED, "fits")
        for number, one in enumerate(ROWS):
            self.table.setColumnHidden(number, hidden.get(one.key, False))
        self.table.show_rows(self._lines, "No such rows.")
        drawn = sample(self._lines)
        self._drawn = drawn.rows
        self.chart.choose(-1)
        self.chart.show_data(Points(drawn, METRICS.get(metric, "Figure"), _unit(metric)))

    def _choose_line(self, line: int) -> None:
        one = self._lines[line]
        self.chart.choose(next((number for number, drawn in enumerate(self._drawn) if drawn is one), -1))

    def _choose_point(self, number: int) -> None:
        self.tabs.setCurrentIndex(0)
        self.table.choose(next(line for line, one in enumerate(self._lines) if one is self._drawn[number]))

    def _figure(self, one: dict[str, Any]) -> Figure | None:
        """A row's prediction; said where there is none."""
        from planner.validation.derivation import explained

        try:
            return explained(one["id"], one["metric"], self._path)[0]
        except TrainplanError as error:
            self.failed.emit(str(error))
            return None

    @property
    def _path(self) -> Path | None:
        return Path(self._good) if self._good else None

    def _explain(self, one: dict[str, Any], published: bool) -> None:
        """Open the derivation of a row's prediction, or its published figure, once it is found in the table."""
        from planner.validation.derivation import explaining

        if one["skipped"]:
            self.failed.emit(f"Nothing is predicted of {one['id']}: {one['skipped']}")
            return
        steps = explaining(one["id"], one["metric"], self._path)
        self._explaining.run(steps, lambda found: self.explain_figure.emit(found[published]), self.failed.emit)

    def _explain_card(self, name: str) -> None:
        from planner.validation.statistics import score_figure

        found = score_figure(name, self._answer["summary"], "the table") if self._answer else None
        if found is not None:
            self.explain_figure.emit(found)

    def _explain_score(self, table: RowTable, line: int, column: str) -> None:
        from planner.validation.statistics import score_figure

        scored = table.rows.rows[line]
        found = score_figure(column, scored, "the table" if scored["is_all"] else scored["name"])
        if found is not None:
            self.explain_figure.emit(found)

    def _open_source(self, line: int) -> None:
        """The runs of one source."""
        name = self.by_source.rows.rows[line]
        self.source.show_value("" if name["is_all"] else name["name"])
        self._fill_rows()
        self.tabs.setCurrentIndex(0)

    def _show_running(self, running: bool) -> None:
        self._is_running = running
        for field in (self.start, self.add, self.runs):
            field.setEnabled(not running)
        self.start.setVisible(not running)
        self.stop.setVisible(running)

    def _say(self, text: str, role: str) -> None:
        mark(self.status, "role", role)
        self.status.setText(text)
        self.status.setToolTip("")

    @classmethod
    def sign(cls, state: State) -> Sign:
        """Before the first run."""
        return Sign("–", "muted", "not run yet")


class _Rows:
    """The rows of an answer as they come, by what they are shown under."""

    def __init__(self) -> None:
        self.count = 0
        self.by_metric: dict[str, list[dict[str, Any]]] = {name: [] for name in (*METRICS, SKIPPED)}
        self.sources: set[str] = set()

    def add(self, rows: list[dict[str, Any]]) -> None:
        """More of them."""
        self.count += len(rows)
        for one in rows:
            self.by_metric[SKIPPED if one["skipped"] else one["metric"]].append(one)
            self.sources.add(one["source"])


class _ScoreCard(QFrame):
    """One figure of the summary. A click, Enter or F1 tells how it is scored."""

    opened = Signal()

    def __init__(self, name: str, title: str, note: str) -> None:
        super().__init__()
        self.setObjectName(f"validate.card.{name}")
        self.setAccessibleName(title)
        self.setProperty("metric", "true")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 10, 8)
        layout.setSpacing(1)
        self.value = elided("–", size=1.3, bold=True)
        self.value.setObjectName(f"validate.card.{name}.value")
        for words in (elided(title, "muted", size=0.9), self.value, elided(note, "muted", size=0.85)):
            layout.addWidget(words)
        self.setToolTip(plain(f"{title}, {note}: explain this number (F1)"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    @property
    def can_explain(self) -> bool:
        """It is a figure."""
        return True

    def explain_current(self) -> None:
        """Ask how it is scored."""
        self.opened.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click explains."""
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        self.opened.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter, Space and F1 explain."""
        if event.key() in EXPLAIN_KEYS:
            self.opened.emit()
        else:
            super().keyPressEvent(event)

    def show_text(self, text: str) -> None:
        """Show the figure."""
        self.value.setText(text)
        self.setAccessibleDescription(text)


def _combo(name: str, title: str, choices: list[tuple[str, Any]]) -> ComboField:
    made = ComboField(choices)
    made.setObjectName(name)
    made.setAccessibleName(title)
    made.setMinimumWidth(90)
    made.setSizeAdjustPolicy(ComboField.SizeAdjustPolicy.AdjustToContents)
    return made


def _fill(combo: ComboField, choices: list[tuple[str, Any]]) -> None:
    """Other choices; the one that was chosen stays where it is still there."""
    before = combo.currentData()
    combo.clear()
    for text, value in choices:
        combo.addItem(text, value)
    combo.setCurrentIndex(max(0, combo.findData(before)))
    combo.view().setMinimumWidth(combo.view().sizeHintForColumn(0) + 28)


def _named(first: str) -> list[Column]:
    return [Column("name", first, is_words=True), *SCORES[1:]]


def _unit(metric: str) -> str:
    from planner.validation import UNITS

    return UNITS.get(metric, "")


def _scores(groups: dict[str, dict[str, Any]], summary: dict[str, Any]) -> list[dict[str, Any]]:
    found = [{"name": name, "is_all": False, **score} for name, score in groups.items()]
    if not summary["n"]:
        return []
    return [*found, {"name": "all", "is_all": True, "rank_correlation": None, **summary}]


def _others(answer: dict[str, Any]) -> str:
    """What is scored beside step times: which configurations fit, and the layout that would be picked."""
    fits, regret = answer["fits"], answer["regret"]
    said = []
    if fits["ran"] or fits["failed"]:
        said.append(
            f"Fits: said so of {fits['true_fits']} of {fits['ran']} configurations that ran, and said not of "
            f"{fits['true_not_fits']} of {fits['failed']} that failed."
        )
    if regret["jobs"]:
        said.append(
            f"Regret of the layout that the planner would pick, over {regret['jobs']} jobs: median "
            f"{units.percent(regret['median'])}, mean {units.percent(regret['mean'])}."
        )
    return " ".join(said)
