"""Constants fitted to rows whose constants are known; which device a profile is of; what is carried, what refused."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planner import library
from planner.errors import InputError
from planner.estimate import estimate
from planner.plan import file, shipped
from planner.plan.cluster import Accelerator
from planner.plan.model import Model
from planner.plan.section import PlanError
from planner.plan.workload import of_model
from planner.timing import carrying, composition, layer, measured, selection, targets
from planner.timing import device as timing_device
from planner.timing import profile as profiles
from planner.timing.collectives import network
from planner.timing.device import device
from planner.timing.profile import Condition, Device, Profile, Row
from planner.timing.software import software

H100 = Device(kind="cuda", name="NVIDIA H100 80GB HBM3", memory_bytes=85.0e9, capability="9.0", multiprocessors=132)
SHAPES = ((1, 1024), (1, 4096), (2, 2048), (2, 4096), (4, 4096), (1, 8192))
TRUTH = {"matmul_efficiency": 0.7, "attention_efficiency": 0.4, "attention_backward": 0.7, "memory_efficiency": 0.8}
CHANGES = {"elementwise_passes": 2.5, "loss_bytes": 20.0}
PARTS = [
    (part, way) for part in ("attention_core", "attention", "feed_forward", "layer") for way in ("forward", "backward")
]


def accelerator(name: str) -> Accelerator:
    return Accelerator.model_validate(library.read("accelerators", name))


H100_SHEET = accelerator("H100-80GB-SXM")


def made(unit: Device = H100, shapes: tuple[tuple[int, int], ...] = SHAPES, **changes: Any) -> Profile:
    """A profile of Llama-2-7B's layer whose times are those of the formulas with the constants above."""
    model = shipped.model("llama-2-7b")
    blank = Profile(
        created="2026-05-01T00:00:00+00:00", device=unit, model=model, suite="quick", dtype="bf16", name="made"
    )
    there = replace(device(accelerator("H100-80GB-SXM"), "bf16"), **TRUTH)
    widths = {"hidden": 4096, "heads": 32, "kv_heads": 32, "head_dim": 128, "ffn": 11008, "vocabulary": 32000}
    rows = []
    for part, way in PARTS:
        plain = [_row(part, way, 1.0, batch=b, sequence=s, flops=_flops(part, way, b, s), **widths) for b, s in shapes]
        times = composition.composed_s((part, way), plain, blank, there, CHANGES, "bf16")
        rows += [_row(part, way, float(t), **_shape(row)) for row, t in zip(plain, np.ravel(times), strict=True)]
    step = _row("optimizer", "step", 1.0, parameters=2 * 10**8, bytes=28 * 2e8, dtype="fp32")
    step_s = composed(step, blank, there, CHANGES)
    rows.append(step.model_copy(update=dict.fromkeys(("median_s", "lower_quartile_s", "upper_quartile_s"), step_s)))
    return blank.model_copy(update={"rows": tuple(rows), **changes})


def _flops(part: str, way: str, batch: int, sequence: int) -> float:
    tokens, h, f = batch * sequence, 4096, 11008
    core = 4.0 * tokens * sequence * h
    sums = {"attention_core": core, "attention": 8.0 * tokens * h * h + core, "feed_forward": 6.0 * tokens * h * f}
    total = sums.get(part) or sums["attention"] + sums["feed_forward"]
    return total * (1 if way == "forward" else 2)


def _shape(row: Row) -> dict[str, Any]:
    names = ("batch", "sequence", "hidden", "heads", "kv_heads", "head_dim", "ffn", "vocabulary", "flops")
    return {name: getattr(row, name) for name in names}


def _row(operation: str, direction: str, median_s: float, **changes: Any) -> Row:
    quartiles = {"lower_quartile_s": 0.998 * median_s, "upper_quartile_s": 1.002 * median_s}
    return Row(**{  # type: ignore[arg-type]
        "operation": operation, "direction": direction, "dtype": "bf16", "median_s": median_s, "n": 20, **quartiles,
        **changes,
    })  # fmt: skip


def composed(row: Row, profile: Profile, unit: timing_device.Device, changes: Any) -> float:
    """A row's time by the formulas, in seconds."""
    part = (row.operation, row.direction)
    return float(np.ravel(composition.composed_s(part, [row], profile, unit, changes, "bf16"))[0])


def predicted(row: Row, profile: Profile, found: measured.Fit) -> float:
    """A row's time by the fit, in seconds."""
    return float(measured.predicted_s(found, (row.operation, row.direction), [row], profile, "bf16")[0])


def times(profile: Profile, found: measured.Fit, part: str) -> list[float]:
    """Predicted over measured of one part's rows."""
    return [predicted(row, profile, found) / row.median_s for row in profile.rows if row.operation == part]


def test_every_part_of_the_rows_is_reproduced() -> None:
    profile = made()
    found = measured.fit(profile, accelerator("H100-80GB-SXM"), "bf16")
    for part in ("attention_core", "attention", "feed_forward", "layer", "optimizer"):
        assert times(profile, found, part) == pytest.approx([1.0] * len(times(profile, found, part)), rel=0.02), part
    assert found.device.matmul_efficiency == pytest.approx(0.7, rel=0.03)
    assert found.band < 0.05 and found.rows == len(profile.rows)


@pytest.mark.parametrize("name", [name for name in library.names("accelerators") if accelerator(name).peak("bf16")])
def test_a_profile_can_be_fitted_on_every_device(name: str) -> None:
    found = measured.fit(made(), accelerator(name), "bf16")
    assert all(np.isfinite(value) for value in (found.device.matmul_efficiency, found.device.launch_s, found.band))


def test_a_shape_that_was_left_out_is_predicted() -> None:
    most = made(shapes=SHAPES[:3])
    found = measured.fit(most, accelerator("H100-80GB-SXM"), "bf16")
    assert times(made(), found, "layer") == pytest.approx([1.0] * 2 * len(SHAPES), rel=0.05)


def test_the_layer_is_composed_as_the_step_composes_it() -> None:
    """The fit's blocks in halves add up to the layer of the step's own formula."""
    profile = made()
    found = measured.fit(profile, accelerator("H100-80GB-SXM"), "bf16")
    plan = file.load("llama-2-7b")
    kind = measured.in_place_of(replace(software("pytorch"), weight_gradient_bytes=2.0), found)
    (forward,) = [row for row in profile.rows if row.shape[:5] == ("layer", "forward", "bf16", 2, 4096)]
    w = of_model(profile.model).where(sequence=4096.0, micro_batch=2.0, activation_bytes=2.0)
    whole = layer.count(w, found.device, network(plan.cluster), kind)
    for direction, expected in (("forward", whole.forward), ("backward", whole.backward)):
        row = forward.model_copy(update={"direction": direction})
        assert predicted(row, profile, found) == pytest.approx(float(expected), rel=1e-9)


def test_a_disturbed_row_pulls_less() -> None:
    quiet = measured.fit(made(), accelerator("H100-80GB-SXM"), "bf16")
    slow = made()
    rows = list(slow.rows)
    index = next(i for i, row in enumerate(rows) if row.operation == "layer")
    slower = {name: 1.5 * getattr(rows[index], name) for name in ("median_s", "lower_quartile_s", "upper_quartile_s")}
    pulled = {}
    for throttled in (False, True):
        rows[index] = slow.rows[index].model_copy(update={**slower, "throttled": throttled})
        fit = measured.fit(slow.model_copy(update={"rows": tuple(rows)}), accelerator("H100-80GB-SXM"), "bf16")
        pulled[throttled] = abs(float(np.log(fit.device.matmul_efficiency / quiet.device.matmul_efficiency)))
    assert pulled[True] < pulled[False]


def test_noise_widens_the_band() -> None:
    profile, rng = made(), np.random.default_rng(1)
    rows = tuple(
        row.model_copy(update={"median_s": row.median_s * float(rng.lognormal(0, 0.15))}) for row in profile.rows
    )
    noisy = measured.fit(profile.model_copy(update={"rows": rows}), accelerator("H100-80GB-SXM"), "bf16")
    assert noisy.band > 2 * measured.fit(profile, accelerator("H100-80GB-SXM"), "bf16").band


@pytest.mark.parametrize(
    ("told", "memory_gib", "name"),
    [
        ("NVIDIA H100 80GB HBM3", 79.2, "H100-80GB-SXM"), ("NVIDIA H100 PCIe", 79.2, "H100-80GB-PCIe"),
        ("NVIDIA H100 NVL", 93.1, "H100-NVL"), ("NVIDIA H200", 139.8, "H200-SXM"),
        ("NVIDIA A100-SXM4-80GB", 79.3, "A100-80GB-SXM"), ("NVIDIA A100-SXM4-40GB", 39.5, "A100-40GB-SXM"),
        ("NVIDIA A100 80GB PCIe", 79.3, "A100-80GB-PCIe"), ("NVIDIA B200", 178.4, "B200-SXM"),
        ("NVIDIA GeForce RTX 4090", 23.6, "RTX 4090"), ("NVIDIA L4", 22.0, "L4"), ("NVIDIA L40S", 44.4, "L40S"),
        ("Tesla V100-SXM2-16GB", 15.8, "V100-16GB-SXM"), ("Tesla V100-PCIE-32GB", 31.7, "V100-32GB-PCIe"),
        ("Tesla T4", 14.7, "T4"), ("NVIDIA RTX 6000 Ada Generation", 47.5, "RTX 6000 Ada"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", 95.0, "RTX PRO 6000 Blackwell"),
        ("NVIDIA GH200 480GB", 94.5, "GH200-96GB"), ("AMD Instinct MI300X", 192.0, "MI300X"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 15.7, None), ("NVIDIA H200 NVL", 139.8, None),
    ],
)  # fmt: skip
def test_a_device_is_known_by_the_name_its_driver_tells(told: str, memory_gib: float, name: str | None) -> None:
    found = Device(kind="cuda", name=told, memory_bytes=memory_gib * 2**30)
    same = [one for one in library.names("accelerators") if selection.is_same(found, accelerator(one))]
    assert same == ([name] if name else [])


@pytest.fixture
def kept(user_folder: Path) -> None:
    (user_folder / "measured").mkdir()
    profiles.save(made(), user_folder / "measured" / "made.json")


def test_a_gpus_profile_is_used_for_that_gpu_and_no_other(kept: None) -> None:
    plan = file.load("llama-2-7b").replace(**{"cluster.accelerator": "H100-80GB-SXM", "layout.tp": 1})
    result = estimate(plan)
    assert result.machine.profile == "made" and result.kernel_source == "measured"
    other = estimate(plan.replace(**{"cluster.accelerator": "H200-SXM"}))
    assert other.machine.profile == "" and not [one for one in other.problems if one.path == "profile"]


def test_named_for_another_gpu_its_efficiencies_are_carried_with_a_warning(kept: None) -> None:
    plan = file.load("llama-2-7b").replace(**{"cluster.accelerator": "A100-80GB-SXM", "profile": "made"})
    result = estimate(plan)
    here = accelerator("A100-80GB-SXM")
    unit = result.machine.device
    assert result.kernel_source == "carried" and "carried over to A100-80GB-SXM" in unit.basis
    assert unit.peak_flops == here.peak("bf16") and unit.multiprocessors == 108
    own = measured.fit(made(), accelerator("H100-80GB-SXM"), "bf16")
    w = of_model(made().model).where(sequence=4096.0, micro_batch=2.0, activation_bytes=2.0)
    carried = measured.carried(own, H100_SHEET, here, "bf16")
    cost = carrying.carrying(H100_SHEET, here, "bf16")
    assert unit.band > cost.products > own.band
    assert cost.products < carried.half_widths(w)["forward"] < cost.attention  # of both, by their shares
    assert carried.half_widths(w)["head"] ** 2 == pytest.approx(own.half_widths(w)["head"] ** 2 + cost.products**2)
    (problem,) = [one for one in result.problems if one.path == "profile"]
    assert problem.severity == "warning" and "NVIDIA H100 80GB HBM3" in problem.message


def test_a_gpus_profile_is_refused_for_a_processor_and_a_tpu(kept: None) -> None:
    for name in ("CPU", "TPU v5p"):
        with pytest.raises(PlanError, match=f"made.*was measured on a CUDA.*says nothing about {name}"):
            estimate(file.load("llama-2-7b").replace(**{"cluster.accelerator": name, "profile": "made"}))


def test_without_any_profile_a_name_says_how_to_get_one() -> None:
    with pytest.raises(PlanError, match="there is no measured profile yet"):
        estimate(file.load("llama-2-7b").replace(profile="made"))


def test_a_precision_without_rows_cannot_be_fitted() -> None:
    with pytest.raises(InputError, match="no measurement in fp8"):
        measured.fit(made(), accelerator("H100-80GB-SXM"), "fp8")


def test_a_mixture_of_experts_is_composed_too() -> None:
    model = Model.model_validate(library.read("models", "mixtral-8x7b"))
    profile = made().model_copy(update={"model": model})
    (row,) = [row for row in profile.rows if row.shape[:5] == ("feed_forward", "forward", "bf16", 2, 4096)]
    unit = device(accelerator("H100-80GB-SXM"), "bf16")
    expert, dense = (composed(row, one, unit, CHANGES) for one in (profile, made()))
    ratio = 2 * 14336 / 11008  # two experts of Mixtral's width a token
    assert expert == pytest.approx(ratio * dense, rel=0.35)


def test_a_time_is_surer_at_a_measured_shape_than_far_from_all() -> None:
    found = measured.fit(made(), accelerator("H100-80GB-SXM"), "bf16")
    w = of_model(made().model).where(sequence=4096.0, micro_batch=2.0, activation_bytes=2.0)
    wider = w.where(hidden=65536.0, heads=512.0, kv_heads=512.0, ffn=2.0e5)
    for part in ("forward", "backward"):
        assert found.half_widths(w)[part] < 0.5 * found.half_widths(wider)[part]


def test_errors_at_shapes_left_out_are_told_by_class() -> None:
    errors = {(one.operation, one.direction): one for one in measured.fit(made(), H100_SHEET, "bf16").errors}
    assert set(errors) == set(PARTS)  # the optimizer has one row: nothing can be left out
    assert all(one.rows == len(SHAPES) and one.median < 0.05 for one in errors.values())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden": 0}, "layer forward .* hidden, attention, ffn must be above zero"),
        ({"flops": 0.0}, "flops, batch and sequence must be above zero"),
        ({"median_s": 1e7, "hidden": 10**18, "sequence": 1}, ""),
    ],
)
def test_rows_that_nothing_can_be_told_from_are_refused_in_words(changes: dict[str, Any], said: str) -> None:
    profile = made()
    rows = tuple(row.model_copy(update=changes) if row.operation == "layer" else row for row in profile.rows)
    hostile = profile.model_copy(update={"rows": rows})
    if said:
        with pytest.raises(InputError, match=f"'made' cannot be fitted: .*{said}"):
            measured.fit(hostile, H100_SHEET, "bf16")
    else:
        assert np.isfinite(measured.fit(hostile, H100_SHEET, "bf16").band)


@pytest.mark.parametrize(
    ("field", "value"),
    [("median_s", 1e300), ("median_s", 5e-324), ("batch", 10**400), ("hidden", -1), ("flops", 1e308), ("shards", 0)],
)
def test_a_row_beyond_what_can_be_measured_is_named_by_its_field(field: str, value: float, tmp_path: Path) -> None:
    data = json.loads(profiles.to_text(made()))
    data["rows"][1][field] = value
    with pytest.raises(InputError, match=rf"rows\.1\.{field}"):
        profiles.from_data(data, "p.json")


def test_a_spoilt_profile_among_good_ones_is_left_out_by_name(user_folder: Path) -> None:
    folder = user_folder / "measured"
    folder.mkdir()
    good, newer = made(), made(name="spoilt", created="2026-06-01T00:00:00+00:00")
    profiles.save(good, folder / "good.json")
    rows = tuple(row.model_copy(update={"flops": 0.0}) for row in newer.rows)
    profiles.save(newer.model_copy(update={"rows": rows}), folder / "spoilt.json")
    (folder / "torn.json").write_text(profiles.to_text(newer)[:3000], "utf-8")
    plan = file.load("llama-2-7b")
    plan = plan.replace(**{"cluster.accelerator": H100_SHEET, "cluster.nodes": 1})
    known = selection.known(plan)
    assert known.profile == "made"
    assert sorted("torn.json" in one.message for one in known.problems) == [False, True]
    assert any("'spoilt' cannot be fitted" in one.message for one in known.problems)


def test_a_spoilt_data_sheet_of_ones_own_does_not_hide_the_others(user_folder: Path) -> None:
    (user_folder / "accelerators").mkdir()
    (user_folder / "accelerators" / "aaa.json").write_text('{"name": "AAA"}', "utf-8")
    found = selection.data_sheet(H100)
    assert found and found.name == "H100-80GB-SXM"
    with pytest.raises(InputError, match=r"aaa\.json: memory_bytes"):
        shipped.accelerator("aaa")


def test_the_power_of_the_measured_layers_is_the_boards_and_stays_on_its_own_device() -> None:
    rows = [
        row.model_copy(update={"condition": Condition(power_w=300.0 if row.direction == "forward" else 400.0)})
        for row in made().rows
    ]
    fit = measured.fit(made().model_copy(update={"rows": tuple(rows)}), H100_SHEET, "bf16")
    layers = [row for row in rows if row.operation == "layer"]
    energy_j = sum(row.median_s * (row.condition.power_w or 0) for row in layers)
    assert fit.device.power_w == pytest.approx(energy_j / sum(row.median_s for row in layers))
    assert np.isnan(measured.carried(fit, H100_SHEET, accelerator("A100-80GB-SXM"), "bf16").device.power_w)
    assert np.isnan(measured.fit(made(), H100_SHEET, "bf16").device.power_w)


def test_of_a_hundred_thousand_rows_some_shapes_are_fitted_each_whole() -> None:
    profile = made()
    rows = [
        row.model_copy(update={"batch": row.batch * times, "median_s": row.median_s * times})
        for times in range(1, 300)
        for row in profile.rows
    ]
    found = targets.targets(profile.model_copy(update={"rows": tuple(rows)}), "bf16")
    by_shape = Counter((one.row.batch, one.row.sequence) for one in found if one.part[0] != "optimizer")
    assert 0.5 * targets.MOST_ROWS < len(found) < 2 * targets.MOST_ROWS
    assert all(count % len(PARTS) == 0 for count in by_shape.values())
