"""The Hardware page: accelerator, nodes, network, prices, electricity."""

from __future__ import annotations

from PySide6.QtCore import Signal

from gui import derived
from gui.document import Document
from gui.facts import Facts
from gui.forms import Form, specs
from gui.jobs import Job
from gui.offers_card import OffersCard
from gui.pages.page import DescribePage
from gui.state import State
from gui.widgets import Card
from planner import library
from planner.errors import TrainplanError
from planner.plan.cluster import Cluster
from planner.plan.plan import Plan
from planner.plan.prices import Prices
from planner.plan.purchase import Owned, Reserved, Spot

WORDS = ("Device", "Known by", "Source")
"""Facts that are no figures."""


class HardwarePage(DescribePage):
    """On which machines, at which prices."""

    key = "hardware"
    run = Signal(list)
    cancel = Signal()

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        names = {"accelerator": lambda: library.names("accelerators"), "fabric": lambda: library.names("fabrics")}
        cluster = Form("Cluster", specs(Cluster, "cluster", names), document)
        known = {
            "grid_region": lambda: [row["region"] for row in library.table("grids")],
            "offer": lambda: derived.offer_names(document.plan),
        }
        prices = Form("Prices and electricity", specs(Prices, "prices", known), document)
        self._offer = prices.rows["prices.offer"].input
        self._offer.lineEdit().setPlaceholderText("none: the price above")
        self._offered_for = ""
        self._terms = {
            "reserved": Form("Reservation", specs(Reserved, "prices.reserved"), document),
            "spot": Form("Spot capacity", specs(Spot, "prices.spot"), document),
            "owned": Form("Owned hardware", specs(Owned, "prices.owned"), document),
        }
        self._sheet, self._facts = Facts(), Facts()
        for one in (self._sheet, self._facts):
            one.opened.connect(self._open)
        self._sheet_card = Card("Data sheet")
        self._sheet_card.add(self._sheet)
        facts = Card("Cluster")
        facts.add(self._facts)
        self.offers = OffersCard()
        self.offers.run.connect(self.run)
        self.offers.cancel.connect(self.cancel)
        self.offers.taken.connect(self._take_offer)
        self._build([cluster, prices, *self._terms.values()], [self._sheet_card, facts, self.offers])
        self._show_offers(document.plan)

    def show_state(self, state: State) -> None:
        """Show the forms, of the ways to pay the chosen one's, the data sheet, and where price and grid come from."""
        super().show_state(state)
        for purchase, form in self._terms.items():
            form.setVisible(purchase == state.plan.prices.purchase)
        if self._offered_for != state.plan.cluster.accelerator.name:
            self._show_offers(state.plan)
        sheet = [("Device", state.plan.cluster.accelerator.name), *derived.data_sheet(state.plan.cluster.accelerator)]
        self._sheet.show_facts(sheet, _keys(sheet))
        cluster = derived.cluster_facts(state.plan)
        self._facts.show_facts(cluster, _keys(cluster))

    def _show_offers(self, plan: Plan) -> None:
        self._offered_for = plan.cluster.accelerator.name
        self._offer.show_names(derived.offer_names(plan))
        rows = derived.offer_rows(plan)
        self.offers.show_offers(rows, derived.offers_told(plan, rows))

    def _take_offer(self, name: str) -> None:
        try:
            self.document.apply({"prices.offer": name}, f"offer {name}")
        except TrainplanError as error:
            self.failed.emit(str(error))

    # The job that fetches offers.

    def begin(self) -> None:
        """Ask again for what failed: whether to connect is asked anew."""
        self.offers.refresh.click()

    def follow(self, job: Job) -> None:
        """Show a job as it goes."""
        self.offers.follow(job)

    def job_name(self, arguments: list[str]) -> str:
        """What the job is called while it runs."""
        return "Refresh of the prices"

    def forget_estimates(self) -> None:
        """Other offers may be known."""
        self._show_offers(self.document.plan)

    def _open(self, name: str) -> None:
        """Where a figure of the data sheet, or of the cluster, is from."""
        found = derived.hardware_figure(self.document.plan, name)
        if found is not None:
            self.explain_figure.emit(found)


def _keys(facts: list[derived.Fact]) -> dict[str, str]:
    return {name: name for name, _ in facts if name not in WORDS}
