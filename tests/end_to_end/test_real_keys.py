"""One walk through all pages on a virtual screen, with the X server's own keys and mouse."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner.estimate import estimate
from planner.plan import file

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("Xvfb", "xdotool")
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, NEEDED)), reason=f"needs {' and '.join(NEEDED)} (Debian: xvfb xdotool)"
)


@pytest.fixture
def display() -> Iterator[str]:
    """A virtual screen of its own."""
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x1000x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert server.stdout
    yield f":{server.stdout.readline().strip()}"
    server.terminate()
    server.wait(10)
    server.stdout.close()


def test_all_pages_are_walked_by_keys_and_mouse_a_plan_is_saved_and_exported(display: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("WAYLAND_DISPLAY",)}
    environment |= {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("walk_under_x.py")), str(tmp_path)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "Qt or Python complained"
    told = json.loads(done.stdout)

    for page, tabs in told["tabs"].items():
        assert tabs["stops"] and not tabs["missed"] and not tabs["out of order"], (page, tabs)
    assert "Waiting for one error" in told["invalid"][0] and "abc" in told["invalid"][1]
    assert told["title"].startswith("typed ") and "*" not in told["title"]

    plan = file.load(str(tmp_path / "typed.json"))
    assert (plan.cluster.nodes, plan.recipe.tokens) == (64, 1_500_000_000_000)
    assert told["verdict"] == estimate(plan).verdict
    with (tmp_path / "typed.csv").open(newline="", encoding="utf-8-sig") as stream:
        cost = next(row for row in csv.DictReader(stream) if row["item"] == "Cost")
    assert float(cost["value"]) == float(estimate(plan).outcome.total_usd)
