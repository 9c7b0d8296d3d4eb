import subprocess
import sys
from types import ModuleType

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from planner.charts import memory_breakdown, size_against_perplexity, step_time_breakdown, style
from planner.charts.export import csv_text
from planner.charts.stack import MOST_ROWS, Part, drawn
from planner.quality.budget import Training
from planner.quality.frontier import frontier
from planner.quality.observed import family_under, groups, read, select

GIB = 2.0**30
MEMORY = [
    ("Weights", 16 * GIB, "estimated"),
    ("Gradients", 16 * GIB, "estimated"),
    ("Optimizer states", 12 * GIB, "estimated"),
    ("Activations", 44 * GIB, "measured"),
    ("Nothing", 0.0, "estimated"),
    ("Framework", GIB, "assumed"),
]
ONE_SIZE = size_against_perplexity.Data(optimum=size_against_perplexity.Marker("best", 1e9, 12.0))
STEP = [(f"Part {i}", 2.0 / (i + 1), "measured" if i % 2 else "estimated") for i in range(14)]


def sizes(law: str = "besiroglu-2024", observed: bool = True, tokens: float = 2e12) -> size_against_perplexity.Data:
    found = frontier(law=law, training=Training("llama-2-7b", 6_738_415_616, tokens, {}))
    shown = groups(select(read(), family="Llama-2", benchmark="WikiText-2", context_length=4096)) if observed else ()
    return size_against_perplexity.Data.of_frontier(found, family_under(found.law), shown)


CASES: list[tuple[str, ModuleType, object]] = [
    ("sizes", size_against_perplexity, sizes()),
    ("sizes-no-band", size_against_perplexity, sizes("kaplan-2020")),
    ("sizes-small", size_against_perplexity, sizes(tokens=1e9)),
    ("sizes-no-loss", size_against_perplexity, sizes("deepseek-2024", observed=False)),
    ("sizes-empty", size_against_perplexity, size_against_perplexity.Data()),
    ("sizes-one", size_against_perplexity, ONE_SIZE),
    ("memory", memory_breakdown, memory_breakdown.Data.of(MEMORY, 80 * GIB, "A100-80GB")),
    ("memory-one", memory_breakdown, memory_breakdown.Data.of(MEMORY[:1])),
    ("memory-empty", memory_breakdown, memory_breakdown.Data()),
    ("step", step_time_breakdown, step_time_breakdown.Data.of(STEP)),
    ("step-one", step_time_breakdown, step_time_breakdown.Data.of([("Forward", 3e-4, "measured")])),
    ("step-empty", step_time_breakdown, step_time_breakdown.Data()),
]  # fmt: skip


def drawn_figure(chart, data, theme=style.LIGHT, size=(6.4, 4.0)) -> Figure:
    figure = Figure(figsize=size, dpi=100)
    chart.draw(figure, data, theme)
    return figure


@pytest.mark.parametrize("theme", style.THEMES.values(), ids=lambda theme: theme.name)
@pytest.mark.parametrize(("chart", "data"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_every_chart_draws_empty_one_and_full(chart, data, theme):
    figure = drawn_figure(chart, data, theme)
    assert figure.axes and figure.texts
    assert chart.describe(data).endswith(".") and "\n" not in chart.describe(data)
    header, rows = chart.table(data)
    assert all(len(row) == len(header) for row in rows)
    csv_text((header, rows))


def visible_texts(figure: Figure) -> list[Text]:
    """Every text that is really drawn: matplotlib also keeps tick labels beyond the axes' ends."""
    texts = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        texts += axes.texts
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            low, high = sorted(axis.get_view_interval())
            texts += [axis.label, *(tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high)]
    return [text for text in texts if text.get_text().strip()]


@pytest.mark.parametrize(("chart", "data"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("size", [(6.4, 4.0), (10.0, 6.2)])
def test_no_text_is_cut_and_no_label_covers_another(chart, data, size):
    figure = drawn_figure(chart, data, size=size)
    figure.draw_without_rendering()
    width, height = figure.bbox.width, figure.bbox.height
    boxes = [(text.get_text(), text.get_window_extent()) for text in visible_texts(figure)]
    for words, box in boxes:
        assert box.x0 >= -1 and box.x1 <= width + 1 and box.y0 >= -1 and box.y1 <= height + 1, words
    for i, (words, box) in enumerate(boxes):
        for other_words, other in boxes[i + 1 :]:
            apart = box.x1 <= other.x0 + 1 or other.x1 <= box.x0 + 1 or box.y1 <= other.y0 + 2 or other.y1 <= box.y0 + 2
            assert apart, (words, other_words)


@pytest.mark.parametrize("theme", style.THEMES.values(), ids=lambda theme: theme.name)
def test_colours_have_enough_contrast(theme):
    for role in ("text", "muted", "curve", "optimum", "plan", "family", "observed", "limit"):
        assert style.contrast(getattr(theme, role), theme.background) >= 4.5, role
    for colour in theme.parts:
        assert style.contrast(colour, theme.background) >= 2.9, colour


def test_the_layout_is_done_once():
    figure = drawn_figure(*CASES[0][1:])
    before = figure.axes[0].get_position().bounds
    figure.draw_without_rendering()
    assert figure.axes[0].get_position().bounds == before


def test_redrawing_leaves_nothing_of_the_last_time():
    figure = drawn_figure(*CASES[0][1:])
    once = len(figure.findobj())
    size_against_perplexity.draw(figure, CASES[0][2], style.DARK)
    assert len(figure.findobj()) == pytest.approx(once, abs=4)


def test_size_against_perplexity_shows_best_plan_family_and_observed():
    data = sizes()
    assert data.optimum and data.plan and data.family and len(data.observed) == 1
    assert "by the law" in data.family.title and data.family.title.startswith("Llama-2 at 2T tokens")
    assert "observed on WikiText-2" in data.observed[0].title
    assert len(data.family.markers) == 4
    assert min(data.perplexity) == data.optimum.perplexity
    sentence = size_against_perplexity.describe(data)
    assert "llama-2-7b" in sentence and "Besiroglu 2024" in sentence


def test_many_parts_are_drawn_as_a_few_and_listed_in_full():
    data = step_time_breakdown.Data.of(STEP)
    rows = drawn(data.parts)
    assert len(rows) == MOST_ROWS
    assert sum(part.value for part in rows) == pytest.approx(data.total)
    assert len(step_time_breakdown.table(data)[1]) == len(STEP) + 1


def test_memory_says_whether_it_fits():
    assert "free" in memory_breakdown.describe(memory_breakdown.Data.of(MEMORY[:2], 80 * GIB))
    assert "too much" in memory_breakdown.describe(memory_breakdown.Data.of(MEMORY, 80 * GIB))
    assert drawn([Part("none", 0.0)]) == []


def test_charts_need_neither_qt_nor_pyplot():
    code = (
        "import sys; from planner.charts import export, memory_breakdown, size_against_perplexity, step_time_breakdown;"
        "print([m for m in sys.modules if m.startswith(('PySide6', 'matplotlib.pyplot', 'torch', 'pandas', 'scipy'))])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
