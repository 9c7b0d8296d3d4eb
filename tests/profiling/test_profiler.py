"""The profiler on a tiny model: what it writes, and what it does when memory, time or the user stop it.

No test here asks how long anything took.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from planner.errors import InputError
from planner.plan import shipped
from planner.plan.model import Model
from planner.profiling import demand, devices, events, journal, operations, points, profiler, store, timer
from planner.timing import profile as profiles
from planner.timing.profile import Condition, Profile

pytestmark = pytest.mark.usefixtures("small")


def demand_of(model: Model) -> demand.Demand:
    return demand.Demand(model, "cpu", "fp32", 1e9, {"fp32": 1e10}, 1e10)


def run(model: Model, out: Path, **options: Any) -> list[events.Event]:
    return list(profiler.profile(model, device="cpu", out=out, **options))


def notes(happened: list[events.Event]) -> str:
    return "\n".join(event.text for event in happened if isinstance(event, events.Note))


@pytest.fixture(scope="module")
def happened(small: None, tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[events.Event], Profile]:
    out = tmp_path_factory.mktemp("profiles") / "tiny.json"
    return run(tiny, out), profiles.load(out)


def test_every_operation_is_measured_in_both_directions(happened: tuple[list[events.Event], Profile]) -> None:
    measured = {(row.operation, row.direction) for row in happened[1].rows}
    both = ("attention_core", "attention", "feed_forward", "layer", "embedding", "head_loss")
    assert measured >= {(operation, way) for operation in both for way in ("forward", "backward")}
    assert measured >= {("optimizer", "step"), ("matmul_peak", "forward"), ("copy_peak", "forward")}


def test_the_events_tell_the_whole_story_in_order(happened: tuple[list[events.Event], Profile]) -> None:
    story, written = happened
    words = [event.word for event in story]
    assert words[:2] == ["started", "planned"] and words[-1] == "finished"
    assert words.count("row") == len(written.rows)
    fractions = [event.fraction for event in story if isinstance(event, events.Progress)]
    assert fractions[-1] == 1.0 and all(0 <= fraction <= 1 for fraction in fractions)


def test_every_event_is_a_line_of_json(happened: tuple[list[events.Event], Profile]) -> None:
    for event in happened[0]:
        line = events.to_line(event)
        assert "\n" not in line
        assert json.loads(line)["event"] == event.word


def test_the_profile_says_what_it_was_measured_on(happened: tuple[list[events.Event], Profile]) -> None:
    written = happened[1]
    assert written.complete and written.kind == "measured" and written.device.kind == "cpu"
    assert written.software.torch == torch.__version__
    assert written.model.name == "tiny"
    assert all(row.n >= 1 and row.lower_quartile_s <= row.median_s <= row.upper_quartile_s for row in written.rows)


def test_blocks_add_up_to_the_layer_in_flops_and_are_compared_in_time(
    happened: tuple[list[events.Event], Profile],
) -> None:
    written = happened[1]
    flops = {(row.operation, row.direction, row.tokens, row.sequence): row.flops for row in written.rows}
    for (operation, *rest), value in flops.items():
        if operation == "layer":
            assert value == flops["attention", *rest] + flops["feed_forward", *rest]  # type: ignore[index]
    assert len(written.summary.comparisons) == 2 * 3
    quiet = [one for one in written.summary.comparisons if not one.disturbed]
    assert bool(quiet) == ((written.summary.ratio or 0) > 0)


def test_activations_saved_for_the_backward_pass_grow_with_tokens(
    happened: tuple[list[events.Event], Profile],
) -> None:
    saved = {row.tokens: row.activation_bytes for row in happened[1].rows if row.operation == "feed_forward"}
    # fp32 of input and normed (h), gate, its bend, up and product (f); the norm keeps one or two more of h
    least, most = 4 * (2 * 64 + 4 * 96), 4 * (4 * 64 + 4 * 96)
    assert all(value and least * tokens <= value <= most * tokens for tokens, value in saved.items())


def test_the_estimate_of_memory_covers_what_was_counted(happened: tuple[list[events.Event], Profile]) -> None:
    written = happened[1]
    for row in written.rows:
        if row.operation in ("layer", "head_loss", "embedding"):
            point = points.Point(row.operation, row.batch, row.sequence, row.shards)
            assert (row.peak_memory_bytes or 0) <= demand_of(written.model).needed_bytes(point)


def test_an_encoder_fails_with_a_reason(tmp_path: Path) -> None:
    (only,) = run(shipped.model("bert-base-cased"), tmp_path / "out.json")
    assert isinstance(only, events.Failed) and only.exit_code == 2 and "architecture" in only.message


@pytest.mark.parametrize("limit_bytes", [60_000, 250_000, 500_000, 1_000_000, 3_000_000])
def test_a_small_memory_limit_is_met_with_smaller_shapes(tiny: Model, tmp_path: Path, limit_bytes: int) -> None:
    happened = run(tiny, tmp_path / "out.json", memory_limit_bytes=limit_bytes)
    last = happened[-1]
    if isinstance(last, events.Failed):
        assert last.exit_code == 3 and "--memory-limit" in last.message
        assert limit_bytes < 100_000  # a quarter of the layer at 16 tokens takes more
    else:
        rows = profiles.load(tmp_path / "out.json").rows
        assert all((row.peak_memory_bytes or 0) <= limit_bytes for row in rows)
        assert {row.operation for row in rows} >= {"layer", "optimizer"}
        assert "MiB" in notes(happened) or "KiB" in notes(happened) or limit_bytes >= 1_000_000


def test_with_no_time_at_all_a_layer_is_still_measured(tiny: Model, tmp_path: Path) -> None:
    happened = run(tiny, tmp_path / "out.json", budget_s=1e-6)
    assert isinstance(happened[-1], events.Finished)
    assert {row.operation for row in profiles.load(tmp_path / "out.json").rows} >= {"attention", "layer"}
    assert "left out for want of time" in notes(happened)


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 99 bytes."),
    MemoryError(),
]


@pytest.mark.parametrize("first", range(0, 40, 5))
def test_running_out_of_memory_at_any_call_is_survived(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """The n-th timed call and the two after it find no memory."""
    calls = itertools.count()
    real = timer.measure

    def measure(*arguments: Any, **options: Any) -> timer.Samples:
        number = next(calls)
        if first <= number < first + 3:
            raise OUT_OF_MEMORY[number % len(OUT_OF_MEMORY)]
        return real(*arguments, **options)

    monkeypatch.setattr(timer, "measure", measure)
    happened = run(tiny, tmp_path / "out.json")
    assert isinstance(happened[-1], events.Finished)
    assert next(calls) <= first or "ran out of memory" in notes(happened)


def test_memory_that_never_suffices_ends_in_a_failure_and_no_file(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(*arguments: Any, **options: Any) -> timer.Samples:
        raise MemoryError

    monkeypatch.setattr(timer, "measure", measure)
    last = run(tiny.model_copy(update={"heads": 1, "kv_heads": 1}), tmp_path / "out.json")[-1]
    assert isinstance(last, events.Failed) and last.exit_code == 3
    assert list(tmp_path.iterdir()) == []


def test_an_operation_that_the_device_cannot_do_is_left_out_with_a_note(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no kernel for this")

    monkeypatch.setattr(operations.Bench, "_optimizer", fail)
    happened = run(tiny, tmp_path / "out.json")
    assert isinstance(happened[-1], events.Finished)
    assert "optimizer: could not be measured (RuntimeError: no kernel for this)" in notes(happened)


def test_a_gpu_that_is_lost_costs_no_row_before_it_and_the_next_run_goes_on(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From one call on the device refuses everything, as a GPU does after a fault of its own."""
    calls = itertools.count()
    real = timer.measure
    fault = RuntimeError("CUDA error: unspecified launch failure")

    def measure(*arguments: Any, **options: Any) -> timer.Samples:
        if next(calls) == 6:
            patch.setattr(devices, "synchronize", lambda kind: (_ for _ in ()).throw(fault))
            raise fault
        return real(*arguments, **options)

    out = tmp_path / "out.json"
    with monkeypatch.context() as patch:
        patch.setattr(timer, "measure", measure)
        last = run(tiny, out)[-1]
    assert isinstance(last, events.Failed) and last.exit_code == 3
    assert "was lost at" in last.message and "launch failure" in last.message and "rows are kept" in last.message
    assert not out.exists() and len(journal.partial_path(out).read_text().splitlines()) > 3
    happened = run(tiny, out)
    assert isinstance(happened[-1], events.Finished) and "taken over from an interrupted run" in notes(happened)


def test_a_clock_that_was_set_back_replaces_no_profile(tmp_path: Path) -> None:
    names = [tmp_path / name for name in ("a-1.json", "a-1-2.json", "a-1-3.json")]
    for name in names:
        assert store.new(tmp_path / "a-1.json") == name
        (journal.partial_path(name) if name == names[1] else name).touch()


def after(count: int) -> Callable[[], bool]:
    asked = itertools.count()
    return lambda: next(asked) >= count


def test_cancelled_it_saves_what_it_has_marked_incomplete(tiny: Model, tmp_path: Path) -> None:
    last = run(tiny, tmp_path / "out.json", cancel=after(30))[-1]
    assert isinstance(last, events.Finished) and not last.complete
    saved = profiles.load(tmp_path / "out.json")
    assert not saved.complete and saved.incomplete_because == "cancelled"
    assert 0 < len(saved.rows) == last.rows
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_cancelled_before_the_first_row_it_writes_nothing(tiny: Model, tmp_path: Path) -> None:
    last = run(tiny, tmp_path / "out.json", cancel=lambda: True)[-1]
    assert isinstance(last, events.Failed) and last.exit_code == 130
    assert list(tmp_path.iterdir()) == []


def interrupted(model: Model, out: Path, count: int) -> list[profiles.Row]:
    """Rows of a run that is dropped, as by a kill, once `count` rows have come."""
    rows = []
    for event in profiler.profile(model, device="cpu", out=out):
        if isinstance(event, events.Measured):
            rows.append(event.row)
        if len(rows) == count:
            break
    return rows


def test_rows_are_on_the_disk_before_the_next_is_measured(tiny: Model, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    for event in profiler.profile(tiny, device="cpu", out=out):
        if isinstance(event, events.Measured):
            assert journal.recover(journal.partial_path(out)).rows[-1] == event.row
    assert not journal.partial_path(out).exists()


def test_a_torn_last_line_costs_that_row_alone(tiny: Model, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    rows = interrupted(tiny, out, 6)
    partial = journal.partial_path(out)
    partial.write_bytes(partial.read_bytes()[:-20])
    found = journal.recover(partial)
    assert found.rows == tuple(rows[:5]) and not found.complete


def test_the_next_run_takes_over_the_rows_of_a_killed_one(tiny: Model, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    rows = interrupted(tiny, out, 8)
    happened = run(tiny, out)
    assert "8 rows taken over" in notes(happened)
    assert profiles.load(out).rows[:8] == tuple(rows)
    shapes = [row.shape for row in profiles.load(out).rows]
    assert len(shapes) == len(set(shapes))


def test_rows_of_another_model_are_moved_aside_and_not_taken_over(tiny: Model, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    interrupted(tiny.model_copy(update={"ffn": 128}), out, 4)
    happened = run(tiny, out)
    assert "taken over" not in notes(happened)
    assert len(journal.recover(tmp_path / "out.json.partial.jsonl.old").rows) == 4


def test_a_place_that_cannot_be_written_is_found_out_before_measuring(tiny: Model, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path, tmp_path / "file" / "out.json"):
        (only,) = run(tiny, out)
        assert isinstance(only, events.Failed) and only.exit_code == 2 and str(tmp_path) in only.message


def test_cuda_without_a_gpu_is_something_missing(tiny: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (only,) = profiler.profile(tiny, device="cuda", out=tmp_path / "out.json")
    assert isinstance(only, events.Failed) and only.exit_code == 3 and "--device cpu" in only.message
    with pytest.raises(InputError, match="auto, cuda, cpu"):
        devices.resolve("tpu")


def test_alternatives_go_shorter_before_they_go_narrower(tiny: Model) -> None:
    seen = list(points.alternatives(points.Point("layer", 2, 64), tiny))
    assert [(one.batch, one.sequence, one.shards) for one in seen[:5]] == [
        (2, 64, 1), (1, 64, 1), (1, 32, 1), (1, 16, 1), (2, 64, 2),
    ]  # fmt: skip
    assert seen[-1] == points.Point("layer", 1, 16, 4)


def test_learned_positions_bound_the_sequences(tiny: Model) -> None:
    model = tiny.model_copy(update={"positions": "learned", "max_sequence": 64})
    assert max(point.sequence for point in points.points(model, "quick", "cpu").essential) == 64


def test_blocks_and_layer_are_measured_in_turns_where_there_is_time(
    happened: tuple[list[events.Event], Profile], tiny: Model, tmp_path: Path
) -> None:
    assert (happened[1].summary.ratio_in_turns or 0) > 0
    run(tiny, tmp_path / "out.json", budget_s=1e-6)
    assert profiles.load(tmp_path / "out.json").summary.ratio_in_turns is None


def test_a_drift_leaves_the_ratio_in_turns_alone() -> None:
    """A clock that slows by a tenth from run to run, calls of 1, 2 and 3 seconds."""

    class Drifting:
        bunch = 1
        slower = 1.0

        def new_run(self) -> None: ...
        def mark(self) -> None: ...
        def read(self) -> list[list[float]]:
            self.slower *= 1.1
            return [[self.slower * seconds.pop(0)]]

    seconds = [1.0, 2.0, 3.0] * 5
    rounds = timer.in_turns([lambda mark: None] * 3, Drifting(), 5, profiler.never)
    assert len(rounds) == 5
    assert all((first + second) / third == pytest.approx(1.0, rel=0.15) for first, second, third in rounds)


class TestTimer:
    """The timer with a clock that is told what to say."""

    class Told:
        bunch = 1

        def __init__(self, times: list[float]) -> None:
            self.times = iter(times)

        def new_run(self) -> None: ...
        def mark(self) -> None: ...
        def read(self) -> list[list[float]]:
            return [[next(self.times)]]

    def measure(self, times: list[float], **patience: Any) -> timer.Samples:
        limits = timer.Patience(**{"spread": 0.05, "warm_up": 1, "least": 3, "most": 10, **patience})
        return timer.measure(
            lambda mark: None, self.Told([9.0, *times]), limits, sense=Condition, cancel=profiler.never
        )

    def test_steady_times_end_after_the_least_number_of_runs(self) -> None:
        assert self.measure([1.0] * 10).stages == ((1.0, 1.0, 1.0),)

    def test_the_warm_up_is_not_counted(self) -> None:
        assert self.measure([1.0, 1.0, 1.0]).quartiles(0) == (1.0, 1.0, 1.0)

    def test_unsteady_times_go_on_to_the_most(self) -> None:
        assert len(self.measure([1.0, 2.0] * 10).stages[0]) == 10

    def test_with_its_time_up_one_run_is_enough(self) -> None:
        assert len(self.measure([1.0, 2.0] * 10, cap_s=0.0).stages[0]) == 1
