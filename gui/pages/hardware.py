"""The Hardware page: accelerator, nodes, network, prices, electricity."""

from __future__ import annotations

from gui import derived
from gui.document import Document
from gui.facts import Facts
from gui.forms import Form, specs
from gui.pages.page import DescribePage
from gui.state import State
from gui.widgets import Card
from planner import library
from planner.plan.cluster import Cluster
from planner.plan.prices import Prices
from planner.plan.purchase import Owned, Reserved, Spot

WORDS = ("Device", "Known by", "Source")
"""Facts that are no figures."""


class HardwarePage(DescribePage):
    """On which machines, at which prices."""

    key = "hardware"

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
        self._offered_for = document.plan.cluster.accelerator.name
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
        self._build([cluster, prices, *self._terms.values()], [self._sheet_card, facts])

    def show_state(self, state: State) -> None:
        """Show the forms, of the ways to pay the chosen one's, the data sheet, and where price and grid come from."""
        super().show_state(state)
        for purchase, form in self._terms.items():
            form.setVisible(purchase == state.plan.prices.purchase)
        if self._offered_for != state.plan.cluster.accelerator.name:
            self._offered_for = state.plan.cluster.accelerator.name
            self._offer.show_names(derived.offer_names(state.plan))
        sheet = [("Device", state.plan.cluster.accelerator.name), *derived.data_sheet(state.plan.cluster.accelerator)]
        self._sheet.show_facts(sheet, _keys(sheet))
        cluster = derived.cluster_facts(state.plan)
        self._facts.show_facts(cluster, _keys(cluster))

    def _open(self, name: str) -> None:
        """Where a figure of the data sheet, or of the cluster, is from."""
        found = derived.hardware_figure(self.document.plan, name)
        if found is not None:
            self.explain_figure.emit(found)


def _keys(facts: list[derived.Fact]) -> dict[str, str]:
    return {name: name for name, _ in facts if name not in WORDS}
