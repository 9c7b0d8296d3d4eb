import csv
import io

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from planner.charts import memory_breakdown, style
from planner.charts.export import csv_text, save
from planner.errors import InputError

DATA = memory_breakdown.Data.of([("Weights", 0.1 + 2**34, "estimated")], 2.0**36, "A100")


@pytest.fixture
def figure():
    figure = Figure(figsize=(6.4, 4.0))
    memory_breakdown.draw(figure, DATA, style.LIGHT)
    return figure


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("PDF", b"%PDF")])
def test_a_chart_is_saved_by_its_ending(figure, tmp_path, ending, begins):
    path = tmp_path / f"chart.{ending}"
    save(figure, path, description="the plan")
    content = path.read_bytes()
    assert content.startswith(begins) and len(content) > 2000
    assert ending == "PDF" or b"the plan" in content
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["chart", "chart.jpg", "chart.exe"])
def test_another_ending_is_refused(figure, tmp_path, name):
    with pytest.raises(InputError, match=r"\.png, \.svg or \.pdf"):
        save(figure, tmp_path / name)


def test_an_unwritable_path_is_one_clear_message(figure, tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        save(figure, tmp_path / "no folder" / "chart.png")


def test_saving_keeps_the_canvas(figure, tmp_path):
    canvas = FigureCanvasAgg(figure)
    save(figure, tmp_path / "chart.svg")
    assert figure.canvas is canvas


def test_the_table_keeps_full_precision():
    lines = csv_text(memory_breakdown.table(DATA)).splitlines()
    assert lines[0] == "part,bytes,kind"
    assert float(lines[1].split(",")[1]) == 0.1 + 2**34


def test_a_text_that_a_spreadsheet_would_run_is_only_text_and_numbers_stay_numbers():
    evil = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"]
    lines = list(csv.reader(io.StringIO(csv_text((["=name", "value"], [[one, -1.5] for one in evil])), newline="")))
    assert lines == [["'=name", "value"], *([f"'{one}", "-1.5"] for one in evil)]
