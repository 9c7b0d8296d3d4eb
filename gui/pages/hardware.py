"""The Hardware page: accelerator, nodes, network, prices, electricity."""

from __future__ import annotations

from gui import derived
from gui.document import Document
from gui.forms import Form, specs
from gui.pages.page import DescribePage, Facts
from gui.state import State
from gui.widgets import Card
from planner import library
from planner.plan.cluster import Cluster
from planner.plan.prices import Prices
from planner.plan.purchase import Owned, Reserved, Spot


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
        self._sheet.show_facts(
            [("Device", state.plan.cluster.accelerator.name), *derived.data_sheet(state.plan.cluster.accelerator)]
        )
        self._facts.show_facts(derived.cluster_facts(state.plan))
