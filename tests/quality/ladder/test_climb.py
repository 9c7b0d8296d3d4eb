"""A whole ladder, as small as can be, on the shipped text: its events, what it leaves behind, and how it goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from planner import cli
from planner.errors import CancelledError
from planner.profiling.journal import partial_path
from planner.quality import points
from planner.quality.ladder import events, text
from planner.quality.ladder.climb import climb
from planner.quality.ladder.corpus import corpus
from planner.quality.ladder.request import Request
from planner.quality.ladder.rungs import SEQUENCE

SHAPES = ((8, 1), (16, 1), (24, 1), (32, 1), (40, 1))
TOKENS = 28_000


@pytest.fixture(scope="module")
def request_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Request]:
    """The smallest ladder there is: a part of the text, its rate given."""
    shipped = text.read()
    found = corpus(replace(shipped, content=shipped.content[:300_000]), "byte", None, SEQUENCE)
    folder = tmp_path_factory.mktemp("ladder")
    return lambda name: Request(found, SHAPES, TOKENS, folder / f"{name}.csv", "ladder-test", "cpu", learning_rate=0.02)


@pytest.fixture(scope="module")
def whole(
    request_of: Callable[[str], Request], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Request, list[events.Event]]:
    """A ladder that nothing disturbed, and what it told. A law of its points is kept in a folder of its own."""
    request = request_of("whole")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TRAINPLAN_HOME", str(tmp_path_factory.mktemp("home")))
        return request, list(climb(request))


def test_the_last_rung_is_predicted_before_it_is_trained_and_the_points_can_be_read(
    whole: tuple[Request, list[events.Event]],
) -> None:
    request, seen = whole
    words = [event.word for event in seen if event.word not in ("progress", "note")]
    assert words[:2] == ["started", "planned"] and words[-4:] == ["predicted", "point", "checked", "finished"]
    trained = [event.row for event in seen if isinstance(event, events.TrainedOne)]
    assert max(row.parameters for row in trained[:-1]) < trained[-1].parameters
    checked = next(event for event in seen if isinstance(event, events.Checked))
    assert checked.measured == trained[-1].loss and checked.error == checked.predicted / checked.measured - 1
    assert points.read(request.out).loss.tolist() == [row.loss for row in trained]
    assert not partial_path(request.out).exists()


def test_a_stopped_ladder_goes_on_where_it_was_and_ends_as_if_it_had_not_stopped(
    request_of: Callable[[str], Request], whole: tuple[Request, list[events.Event]]
) -> None:
    request = request_of("stopped")
    told: list[events.Event] = []

    def has_enough() -> bool:
        return sum(isinstance(event, events.TrainedOne) for event in told) >= 4

    with pytest.raises(CancelledError):
        for event in climb(request, has_enough):
            told.append(event)
    assert partial_path(request.out).exists() and not request.out.exists()
    again = list(climb(request))
    assert any("4 finished runs" in event.text for event in again if isinstance(event, events.Note))
    assert points.read(request.out).loss.tolist() == points.read(whole[0].out).loss.tolist()


def test_the_command_prints_one_object_and_the_points_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = text.read().content[:150_000]
    (tmp_path / "mine.txt").write_text(content)
    words = ["--shapes", "8x1,16x1,24x1,32x1,40x1", "--tokens", "28k", "--learning-rate", "0.02", "--device", "cpu"]
    out = tmp_path / "mine.csv"
    assert cli.run(["ladder", "--text", str(tmp_path / "mine.txt"), *words, "--out", str(out), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["started"]["text"] == "mine" and data["checked"]["measured"] > 0
    assert len(data["finished"]["rows"]) == len(points.read(out))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--text", "none.txt"], "no such file"),
        (["--size", "hug"], "ladder size"),
        (["--shapes", "33x2,48x2"], "--shapes '33x2'"),
        (["--tokenizer", "byte", "--vocabulary", "9"], "256"),
        (["--learning-rate", "-1"], "between 0 and 1"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_wrong_options_are_named(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["ladder", *words]) == 2
    assert message in capsys.readouterr().err


def test_with_events_a_wrong_option_is_a_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["ladder", "--events", "--size", "hug"]) == 2
    line = json.loads(capsys.readouterr().out)
    assert line["event"] == "failed" and line["exit_code"] == 2
