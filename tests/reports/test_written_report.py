"""The report as a page and on paper: whole, self-contained, and safe whatever a plan is called."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from planner.errors import InputError
from planner.estimate import Estimate, estimate
from planner.plan import file
from planner.reports import html_report, pdf_report
from planner.reports.report import HEADLINES, report

NASTY = """<script>alert("x")</script> & 'quoted' \u202e ζ"""


@pytest.fixture(scope="module")
def llama() -> Estimate:
    return estimate(file.load("llama-2-7b"))


@pytest.fixture(scope="module")
def page(llama: Estimate) -> str:
    return html_report.text(llama)


class Page(HTMLParser):
    """Text, tags and addresses of a page; tags must close in order."""

    void = frozenset({"meta", "img", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]
        if tag not in self.void:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"[ \n]+", " ", " ".join(self.words))


def test_the_page_tells_verdict_headlines_warnings_and_every_figure(llama: Estimate, page: str) -> None:
    told = Page(page).text
    assert llama.verdict in told
    for key in HEADLINES:
        assert llama.figures[key].text in told
    for figure in llama.figures.values():
        assert figure.label in told or figure.value == 0  # a part that does not occur has no line
    for problem in llama.problems:
        assert str(problem) in told
    assert "recipe.tokens 2,000,000,000,000 tokens" in told


def test_the_page_fetches_nothing_and_runs_nothing(page: str) -> None:
    read = Page(page)
    assert not {"script", "iframe", "object", "link"} & set(read.tags)
    assert len(read.addresses) == read.tags.count("img") >= 4
    assert all(address.startswith("data:image/svg+xml;base64,") for address in read.addresses)


def test_the_pictures_are_whole_svg(page: str) -> None:
    for address in Page(page).addresses:
        root = ElementTree.fromstring(base64.b64decode(address.partition("base64,")[2]))
        assert root.tag.endswith("svg")


def test_the_life_and_the_other_networks_are_told_with_their_charts(llama: Estimate) -> None:
    sections = {one.title: one for one in report(llama).sections}
    life, networks = sections["Over the life"], sections["Other networks"]
    assert [chart.name for chart in life.charts] == ["cost-over-the-life", "general-or-specific"]
    assert life.table is not None and any("Serving" in row[0] for row in life.table.rows)
    assert networks.table is not None and "InfiniBand NDR 400" in [row[0] for row in networks.table.rows]
    assert "own layout" in " ".join(networks.paragraphs)


def test_a_model_that_cannot_be_served_still_has_a_report() -> None:
    sections = {one.title: one for one in report(estimate(file.load("bert-large-cased"))).sections}
    assert sections["Over the life"].paragraphs


def test_a_name_cannot_become_markup(llama: Estimate) -> None:
    plan = llama.plan.model_copy(update={"name": NASTY, "notes": NASTY})
    page = html_report.text(estimate(plan))
    read = Page(page)
    assert "script" not in read.tags
    assert "<script" not in page
    assert 'alert("x")' in read.text
    assert pdf_report.content(estimate(plan)).startswith(b"%PDF-")


def test_a_price_that_is_unknown_stays_unknown(llama: Estimate) -> None:
    unpriced = file.with_settings(llama.plan, [("cluster.accelerator.name", "One of a kind")])
    told = Page(html_report.text(estimate(unpriced))).text
    assert "price unknown" in told
    assert "nan" not in told.lower().split()


def test_the_pdf_is_whole_and_holds_every_chart(llama: Estimate) -> None:
    content = pdf_report.content(llama)
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    pictures = sum(len(section.charts) for section in report(llama).sections)
    assert content.count(b"/Subtype /Image") >= pictures
    assert 2 <= content.count(b"/Type /Page\n") <= 20


@pytest.mark.parametrize("writer", [html_report.write, pdf_report.write])
def test_an_unwritable_path_is_named_and_the_old_file_stays(writer: object, llama: Estimate, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match="taken"):
        writer(llama, tmp_path / "taken")  # type: ignore[operator]
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]


def test_the_price_is_told_with_its_offers_its_curve_and_where_owning_pays(llama: Estimate) -> None:
    sections = {one.title: one for one in report(llama).sections}
    price, energy = sections["Price"], sections["Energy and carbon"]
    assert (
        price.table is not None
        and len(price.table.rows) > 3
        and [one.name for one in price.charts] == ["cost-by-price"]
    )
    assert "the purchase price is unknown" in " ".join(price.paragraphs)
    owned = report(estimate(llama.plan.replace(**{"prices.owned.purchase_usd": 300_000})))
    told = " ".join(next(one for one in owned.sections if one.title == "Price").paragraphs)
    assert "hours in use of a GPU" in told and "against renting at $" in told
    assert "Included: " in energy.paragraphs[0] and "making the machines" in energy.paragraphs[0]


def test_a_list_in_a_plan_is_told_by_its_names_so_that_a_page_holds_it() -> None:
    sections = {one.title: one for one in report(estimate(file.load("llama-2-70b"))).sections}
    rows = {row[0]: row[1] for row in sections["Assumptions: the plan"].table.rows}  # type: ignore[union-attr]
    assert rows["post_training.stages"].startswith("Supervised fine-tuning, Human preferences, ")
    assert max(map(len, rows.values())) < 3000
