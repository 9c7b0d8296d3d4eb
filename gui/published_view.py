"""Published perplexities: one benchmark's rows, and one protocol at a time for the chart, so that no two mix."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from gui.fields import ComboField
from gui.row_table import Column, RowTable
from gui.widgets import button, label, row
from planner import units
from planner.quality import observed
from planner.quality.observed import Group, Observation

NONE = "none"


def _size(value: float) -> str:
    return units.show(value)


COLUMNS = [
    Column("sign", "", is_words=True, tip="▲ on the chart: these rows may be compared with each other"),
    Column("model", "Model", is_words=True),
    Column("parameters", "Parameters", _size),
    Column("tokens", "Tokens", _size, "Training tokens, where published"),
    Column("value", "Published", lambda value: f"{value:g}"),
    Column("metric", "As", is_words=True),
    Column("setting", "Setting", is_words=True, tip="Zero-shot, fine-tuned, trained on the task"),
    Column("context_length", "Context", lambda value: f"{value:,.0f}", "Tokens of context"),
    Column("tokenizer", "Tokenizer", is_words=True, tip="What the loss is averaged over"),
    Column("source", "Source", is_words=True),
    Column("confidence", "Seen", is_words=True),
]


class PublishedView(QWidget):
    """Choose a benchmark and a protocol; `chosen` tells the group for the chart."""

    chosen = Signal()
    export_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._rows = observed.read()
        self._groups = [group for group in observed.groups(self._rows) if group.has_perplexities]
        self.benchmark = _combo("perplexity.benchmark", "Benchmark", self._benchmarks())
        self.benchmark.chosen.connect(lambda _: self._fill_protocols())
        self.protocol = _combo("perplexity.protocol", "Protocol", [])
        self.protocol.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.protocol.chosen.connect(lambda _: self._choose())
        self.table = RowTable("perplexity.published", "Published perplexities", COLUMNS, bold=lambda one: one["sign"])
        self.export_button = button("E&xport CSV…", "perplexity.published.export")
        self.export_button.clicked.connect(self.export_wanted)
        captions = [QLabel("Bench&mark"), QLabel("&Protocol")]
        for caption, field in zip(captions, (self.benchmark, self.protocol), strict=True):
            caption.setBuddy(field)
        top = row(captions[0], self.benchmark, captions[1], self.protocol, self.export_button, spacing=10)
        top.layout().setStretch(3, 1)
        words = (
            "Rows may be compared only where benchmark, what is averaged, context, tokenizer and setting agree: one "
            "such protocol at a time goes on the chart. Its text is not the law's."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 8, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(top)
        layout.addWidget(label(words, "muted", wrap=True, size=0.92))
        layout.addWidget(self.table, 1)
        self._fill_protocols()

    @property
    def group(self) -> Group | None:
        """What is on the chart."""
        number = self.protocol.currentData()
        return self._groups[number] if number is not None and number >= 0 else None

    @property
    def shown(self) -> list[Observation]:
        """The rows of the benchmark, on the chart first."""
        name, group = self.benchmark.currentData(), self.group
        rows = [one for one in self._rows if name in ("", one.benchmark)]
        return sorted(rows, key=lambda one: group is None or one not in group.rows)

    def choose(self, benchmark: str, title: str) -> None:
        """Put a protocol on the chart by benchmark and a part of its title; used by tests and stories."""
        self.benchmark.show_value(benchmark)
        self._fill_protocols()
        self.protocol.setCurrentIndex(
            next(i for i in range(self.protocol.count()) if title in self.protocol.itemText(i))
        )
        self._choose()

    def csv(self) -> str:
        """The rows that are shown, as a table."""
        from planner.charts.export import csv_text

        rows = [tuple(getattr(one, name) if getattr(one, name) is not None else "" for name in observed.COLUMNS)
                for one in self.shown]  # fmt: skip
        return csv_text((observed.COLUMNS, rows))

    def _benchmarks(self) -> list[tuple[str, Any]]:
        counts: dict[str, int] = {}
        for one in self._rows:
            counts[one.benchmark] = counts.get(one.benchmark, 0) + 1
        most = sorted(counts, key=lambda name: -counts[name])
        return [("All", ""), *((f"{name} ({counts[name]})", name) for name in most)]

    def _fill_protocols(self) -> None:
        name = self.benchmark.currentData()
        before = self.group
        self.protocol.clear()
        self.protocol.addItem("None on the chart", -1)
        for number, group in enumerate(self._groups):
            if name in ("", group.rows[0].benchmark):
                models = f"{len(group.rows)} model{'s' if len(group.rows) > 1 else ''}"
                self.protocol.addItem(f"{group.title} ({models})", number)
        if before is not None:
            self.protocol.setCurrentIndex(max(0, self.protocol.findData(self._groups.index(before))))
        self._choose()

    def _choose(self) -> None:
        group = self.group
        on_chart = group.rows if group else ()
        self.table.show_rows([
            {**vars(one), "sign": "▲" if one in on_chart else "", "metric": one.metric.replace("_", " "),
             "value": one.value if one.value == one.value else None}
            for one in self.shown
        ], "No such rows.")  # fmt: skip
        self.chosen.emit()


def _combo(name: str, title: str, choices: list[tuple[str, Any]]) -> ComboField:
    made = ComboField(choices)
    made.setObjectName(name)
    made.setAccessibleName(title)
    made.setMinimumWidth(90)
    made.setSizeAdjustPolicy(ComboField.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    made.setMinimumContentsLength(16)
    return made
