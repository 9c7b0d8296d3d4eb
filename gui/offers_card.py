"""The accelerator's offers with their dates and ages, and the button that fetches the clouds' own: nothing else in the
app connects to the network."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal

from gui.jobs import Job, Outcome
from gui.row_table import Column, RowTable
from gui.style_sheet import mark
from gui.widgets import Card, button, label, row
from planner import units

ASKED = (
    "This connects to the network: it downloads gpuhunt's public catalogue of the clouds' GPU prices and sends nothing "
    "of your plan. It takes up to {deadline} and replaces what was fetched before."
)
DEADLINE_S = 60
COMMAND = ["prices", "--refresh", "--events", "--timeout", str(DEADLINE_S)]
SHOWN_ROWS = 6

COLUMNS = [
    Column("usd_per_gpu_hour", "A GPU", lambda value: units.show(value, "USD/h"), "Price of a GPU-hour"),
    Column("age", "Age", is_words=True, sort_by="age_days", tip="Since it was seen; more than 90 days is stale",
           tone=lambda one: "bad" if one["is_stale"] else ""),
    Column("told", "Offer", is_words=True, tip="By the name that a plan takes it by, else its source"),
    Column("as_of", "Seen", is_words=True),
    Column("purchase", "Paid as", is_words=True),
]  # fmt: skip


class OffersCard(Card):
    """Shows offers; `run` asks for the command line that fetches them, `taken` for a plan that takes one."""

    run = Signal(list)
    cancel = Signal()
    taken = Signal(str)

    def __init__(self) -> None:
        super().__init__("Offers", "hardware.offers")
        self.told = label(role="muted", wrap=True)
        self.told.setObjectName("hardware.offers.told")
        self.table = RowTable("hardware.offers.table", "Offers of the accelerator", COLUMNS)
        self.table.opened.connect(self._take)
        self.table.setToolTip("Enter or a double click: the plan takes the offer")
        height = self.table.verticalHeader().defaultSectionSize() * SHOWN_ROWS
        self.table.setMinimumHeight(height + self.table.horizontalHeader().sizeHint().height() + 16)
        self.refresh = button("&Refresh prices…", "hardware.offers.refresh")
        self.refresh.setToolTip("Fetch today's offers of the clouds; asks before it connects to the network")
        self.refresh.clicked.connect(self._ask)
        self.asked = label(ASKED.format(deadline=units.show_duration(DEADLINE_S)), wrap=True)
        self.asked.setObjectName("hardware.offers.asked")
        self.connect_now = button("Co&nnect and fetch", "hardware.offers.connect", primary=True)
        self.connect_now.clicked.connect(self.begin)
        self.not_now = button("Not now", "hardware.offers.not_now")
        self.not_now.clicked.connect(lambda: self._show_asking(False))
        self.stop = button("Cancel", "hardware.offers.cancel")
        self.stop.clicked.connect(self.cancel)
        self.status = label(role="muted", wrap=True)
        self.status.setObjectName("hardware.offers.status")
        self.add(self.told, self.table, self.asked, self.status)
        self.add(row(self.refresh, self.connect_now, self.not_now, self.stop, None))
        self._show_asking(False)

    def show_offers(self, offers: list[dict[str, Any]], told: str) -> None:
        """The offers of an accelerator, and a sentence about where they are from."""
        self.told.setText(told)
        self.table.show_rows(offers, "No offer is known. State a price, or refresh.")

    def begin(self) -> None:
        """Fetch: the person has agreed to connect."""
        self._show_asking(False)
        self._show_running(True)
        self._say("Waiting for the job before it…", "muted")
        self.run.emit(COMMAND)

    def follow(self, job: Job) -> None:
        """Show a job as it goes."""
        job.started.connect(lambda: self._say("Connecting…", "muted"))
        job.phase.connect(lambda doing: self._say(f"{doing[:1].upper()}{doing[1:]}…", "muted"))
        job.ended.connect(self._end)

    def _end(self, outcome: Outcome) -> None:
        self._show_running(False)
        found = outcome.result
        if outcome.status == "done" and found.get("event") == "finished":
            self._say(f"✓ {found['offers']:,} offers of {found['clouds']} ({found['source']})", "")
        elif outcome.status == "cancelled":
            self._say("Cancelled; the offers kept from before are unchanged.", "warning")
        else:
            self._say(f"✕ {outcome.message}", "error")

    def _ask(self) -> None:
        """Say what it would do; without gpuhunt, what is missing."""
        from planner.interchange import catalogue

        missing = catalogue.missing()
        self._say(missing[:1].upper() + missing[1:], "warning")
        if not missing:
            self._show_asking(True)
            self.connect_now.setFocus()

    def _take(self, line: int) -> None:
        name = self.table.rows.rows[line]["name"]
        if name:
            self.taken.emit(name)

    def _show_asking(self, asking: bool) -> None:
        for one in (self.asked, self.connect_now, self.not_now):
            one.setVisible(asking)
        self.refresh.setVisible(not asking)
        self.stop.hide()

    def _show_running(self, running: bool) -> None:
        self.stop.setVisible(running)
        self.refresh.setVisible(not running)

    def _say(self, text: str, role: str) -> None:
        mark(self.status, "role", role)
        self.status.setText(text)
        self.status.setVisible(bool(text))
