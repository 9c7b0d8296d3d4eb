"""The full suite on a tiny model: every variant, refined by the next run, resumed after a kill, out of memory anywhere.

No test here asks how long anything took.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from planner.plan.model import Model
from planner.profiling import devices, events, journal, points, profiler, timer
from planner.profiling.points import Offers
from planner.timing import profile as profiles
from planner.timing.efficiencies import efficiencies
from planner.timing.profile import Profile, Row

BUDGET_S = 600.0
"""So much that only the worth of measuring ends a suite."""
LEARN = profiler.Design.learn


@pytest.fixture(autouse=True, scope="module")
def offered(small: None) -> Iterator[None]:
    """A processor that has everything torch can do on one but compile, and a design that visits each point once."""

    def learn(self: Any, point: Any, *arguments: Any) -> None:
        LEARN(self, point, *arguments)
        self.dropped.add(point)

    with pytest.MonkeyPatch.context() as patch:
        every = Offers(("bf16", "fp8"), ("flash", "math"), ("foreach", "for-loop"))
        patch.setattr(devices, "offers", lambda kind, dtypes: every)
        patch.setattr(devices, "rates", lambda device: {"fp32": 1e10, "bf16": 1e10, "fp8": 1e10, "fp16": 1e10})
        patch.setattr(devices, "choose_dtype", lambda kind, rates: "fp32")
        patch.setattr(profiler.Design, "learn", learn)
        patch.setattr(profiler.Design, "is_good_enough", False)
        yield


def run(model: Model, out: Path, **options: Any) -> list[events.Event]:
    return list(profiler.profile(model, device="cpu", suite="full", out=out, **{"budget_s": BUDGET_S, **options}))


def notes(happened: list[events.Event]) -> str:
    return "\n".join(event.text for event in happened if isinstance(event, events.Note))


def finished(happened: list[events.Event]) -> events.Finished:
    last = happened[-1]
    assert isinstance(last, events.Finished), last
    return last


def every_manner(rows: tuple[Row, ...]) -> set[tuple[str, str, str]]:
    return {(row.operation, row.dtype, row.manner) for row in rows}


def visits(happened: list[events.Event]) -> int:
    return sum(isinstance(event, events.Measured) for event in happened)


@pytest.fixture(scope="module")
def whole(offered: None, tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[events.Event], Profile]:
    out = tmp_path_factory.mktemp("profiles") / "tiny.json"
    return run(tiny, out), profiles.load(out)


def test_every_variant_is_measured_and_told_apart(whole: tuple[list[events.Event], Profile]) -> None:
    happened, saved = whole
    assert finished(happened).complete and "could not be measured" not in notes(happened), notes(happened)
    assert every_manner(saved.rows) >= {
        ("layer", "fp32", ""), ("layer", "bf16", ""), ("layer", "fp8", "tensorwise"), ("layer", "fp32", "recomputed"),
        ("layer", "fp32", "cache flushed"), ("optimizer", "fp32", "foreach"), ("optimizer", "fp32", "for-loop"),
        ("head_loss", "fp32", "chunked"), ("attention_core", "fp32", "flash kernel"), ("matmul_peak", "bf16", ""),
        ("attention_core", "fp32", "math kernel"), ("attention_core", "fp32", "not causal"), ("launch", "fp32", ""),
        ("attention", "fp32", "multi-head"), ("matmul_peak", "fp8", ""), ("embedding", "fp32", ""),
    }  # fmt: skip
    assert {row.shards for row in saved.rows} == {1, 2, 4}
    assert {row.l2 for row in saved.rows} == {"warm", "flushed"}


def test_recomputation_saves_its_input_alone_and_runs_forward_twice(whole: tuple[list[events.Event], Profile]) -> None:
    layers = [row for row in whole[1].rows if (row.operation, row.tokens, row.dtype) == ("layer", 32, "fp32")]
    forward, backward = (row for row in layers if row.is_plain and row.shards == 1)
    again = {row.direction: row for row in layers if row.recompute}
    assert again["backward"].flops == backward.flops + forward.flops
    assert again["forward"].activation_bytes == 32 * 64 * 4


def test_variants_leave_the_fit_of_the_plain_rows_alone(whole: tuple[list[events.Event], Profile]) -> None:
    saved = whole[1]
    plain = saved.model_copy(update={"rows": tuple(row for row in saved.rows if row.is_plain)})
    assert len(plain.rows) < len(saved.rows)
    assert efficiencies(saved) == efficiencies(plain)


def test_an_impossible_variant_is_a_note_and_the_rest_goes_on(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = Offers(("fp16",), ("cudnn",), ("8-bit",), compiler=True)
    monkeypatch.setattr(devices, "offers", lambda kind, dtypes: some)
    monkeypatch.setattr(profiler.operations, "COMPILER", "no such compiler")
    happened = run(tiny, tmp_path / "out.json")
    assert finished(happened).complete
    told = notes(happened)
    for point in ("attention core (cudnn kernel) 1×32", "optimizer (8-bit)", "layer (compiled) 1×32"):
        assert f"{point}: could not be measured" in told
    assert told.count("(compiled)") == told.count("(cudnn kernel)") == 1, (
        "no other shape of what is impossible is tried"
    )
    assert every_manner(profiles.load(tmp_path / "out.json").rows) >= {("layer", "fp16", ""), ("layer", "fp32", "")}


def failing_at(points_failed: set[str], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every point finds no memory the first time that one of its operations is timed; the points that were tried."""
    real = profiler.Recorder.rows

    def rows(self: Any, task: Any, point: Any, cap_s: float) -> list[Row]:
        if str(point) not in points_failed:
            points_failed.add(str(point))
            raise MemoryError
        return real(self, task, point, cap_s)

    monkeypatch.setattr(profiler.Recorder, "rows", rows)
    return points_failed


def test_running_out_of_memory_at_every_point_ends_in_a_note_not_a_crash(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = failing_at(set(), monkeypatch)
    last = run(tiny, tmp_path / "out.json")[-1]
    assert isinstance(last, events.Failed) and last.exit_code == 3 and len(failed) > 10
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("turn", [0, 3])
def test_running_out_of_memory_at_any_point_costs_that_point_alone(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    """Every fifth timed operation finds no memory: wherever it strikes, the suite goes on to its end."""
    calls = itertools.count()
    real = timer.measure

    def measure(*arguments: Any, **options: Any) -> timer.Samples:
        if next(calls) % 5 == turn:
            raise MemoryError
        return real(*arguments, **options)

    monkeypatch.setattr(timer, "measure", measure)
    happened = run(tiny, tmp_path / "out.json")
    assert finished(happened).complete
    assert "ran out of memory" in notes(happened)
    assert {row.operation for row in profiles.load(tmp_path / "out.json").rows} >= {"layer", "optimizer", "head_loss"}


@pytest.mark.parametrize("limit_bytes", [250_000, 1_200_000])
def test_a_memory_limit_bounds_every_variant(tiny: Model, tmp_path: Path, limit_bytes: int) -> None:
    happened = run(tiny, tmp_path / "out.json", memory_limit_bytes=limit_bytes)
    finished(happened)
    rows = profiles.load(tmp_path / "out.json").rows
    assert all((row.peak_memory_bytes or 0) <= limit_bytes for row in rows)
    assert {row.operation for row in rows} >= {"layer", "optimizer"}


def test_the_same_run_again_refines_the_rows_that_are_there(
    whole: tuple[list[events.Event], Profile], tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, out = whole[1], tmp_path / "tiny.json"
    profiles.save(first, out)
    monkeypatch.setattr(profiler.Design, "learn", LEARN)  # points are come back to
    happened = run(tiny, out, cancel=after(200))
    second = profiles.load(out)
    assert f"{len(first.rows)} rows taken over from tiny.json" in notes(happened)
    assert {row.shape for row in second.rows} == {row.shape for row in first.rows}
    before = {row.shape: row for row in first.rows}
    refined = [row for row in second.rows if row.visits > 1]
    assert refined
    assert all(row.n > before[row.shape].n and len(row.samples_s) == row.n for row in refined)


def test_a_killed_refinement_keeps_what_it_refined(
    whole: tuple[list[events.Event], Profile], tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles.save(whole[1], tmp_path / "tiny.json")
    monkeypatch.setattr(profiler.Design, "learn", LEARN)
    killed(tiny, tmp_path / "tiny.json", 4)
    found = journal.recover(journal.partial_path(tmp_path / "tiny.json"))
    assert [row.shape for row in found.rows] == [row.shape for row in whole[1].rows]
    assert sum(row.visits - 1 for row in found.rows) > 0 and not found.complete


def after(count: int) -> Callable[[], bool]:
    asked = itertools.count()
    return lambda: next(asked) >= count


def test_rows_of_other_software_are_kept_aside_and_not_mixed_in(
    whole: tuple[list[events.Event], Profile], tiny: Model, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    data = json.loads(profiles.to_text(whole[1]))
    data["software"]["torch"] = "1.0"
    out.write_text(json.dumps(data))
    happened = run(tiny, out, budget_s=1e-6)
    assert "kept as out.json.old" in notes(happened) and "taken over" not in notes(happened)
    assert profiles.load(out).software.torch != "1.0"
    assert profiles.from_data(json.loads((tmp_path / "out.json.old").read_text())).software.torch == "1.0"
    assert {row.visits for row in profiles.load(out).rows} == {1}


def killed(model: Model, out: Path, count: int) -> list[Row]:
    """Rows of a run that is dropped once `count` rows have come."""
    rows = []
    for event in profiler.profile(model, device="cpu", suite="full", budget_s=BUDGET_S, out=out):
        if isinstance(event, events.Measured):
            rows.append(event.row)
            if len(rows) == count:
                break
    return rows


def test_a_killed_suite_goes_on_where_it_stopped(tiny: Model, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    rows = killed(tiny, out, 40)
    assert journal.recover(journal.partial_path(out)).rows == tuple(rows)
    happened = run(tiny, out)
    assert "40 rows taken over from an interrupted run" in notes(happened)
    saved = profiles.load(out)
    assert saved.rows[:40] == tuple(rows)
    assert visits(happened) == len(saved.rows) - 40


def test_without_out_the_next_run_finds_the_killed_one_and_the_last_full_one(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINPLAN_HOME", str(tmp_path))
    (started,) = [event for event in itertools.islice(default_run(tiny), 1) if isinstance(event, events.Started)]
    kept = killed(tiny, Path(started.out), 10)
    for wanted in (f"{len(kept)} rows taken over from an interrupted run", "to be refined"):
        happened = list(default_run(tiny))
        assert wanted in notes(happened) and Path(finished(happened).out) == Path(started.out)


def default_run(model: Model) -> Any:
    return profiler.profile(model, device="cpu", suite="full", budget_s=BUDGET_S)


def test_two_runs_do_not_write_one_file(tiny: Model, tmp_path: Path) -> None:
    first = profiler.profile(tiny, device="cpu", suite="full", budget_s=BUDGET_S, out=tmp_path / "out.json")
    next(first)
    (second,) = run(tiny, tmp_path / "out.json")
    assert isinstance(second, events.Failed) and "another run is writing" in second.message
    first.close()


def test_the_plan_measures_and_writes_nothing(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timer, "measure", None)
    started, planned = run(tiny, tmp_path / "out.json", plan_only=True)
    assert isinstance(started, events.Started) and isinstance(planned, events.Planned)
    assert planned.shapes[0].operation == "ceilings"
    assert {"fp8, tensorwise", "recomputed", "chunked"} <= {shape.manner for shape in planned.shapes}
    assert all(shape.seconds > 0 for shape in planned.shapes) and planned.seconds <= BUDGET_S
    assert list(tmp_path.iterdir()) == []


def test_the_suite_names_the_same_points_every_time(tiny: Model) -> None:
    offers = Offers(("fp16", "fp32", "tf32", "fp8"), ("flash", "cudnn"), ("foreach",), compiler=True)
    for kind in ("cpu", "cuda"):
        suite = points.points(tiny, "full", kind, offers)
        assert suite == points.points(tiny, "full", kind, offers)
        assert len(set(suite.grid)) == len(suite.grid) and set(suite.essential) <= set(suite.grid)
        assert {point.dtype for point in suite.grid} == {"", "fp16", "fp32", "tf32", "fp8"}
