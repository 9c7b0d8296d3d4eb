"""The remainder beside the formulas: recovered where it was measured, nothing far away, errors as by fitting anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.plan import shipped
from planner.plan.workload import of_model
from planner.timing import surface
from planner.timing.surface import Evidence, Places, Posterior, Scales

LAYER = ("layer", "forward")
TOKENS = (128, 256, 512, 1024, 2048, 4096)
SCALES = Scales(remainder=0.2, lengths=1.0, widths=1.0, drift=0.01, noise=0.01)
MODEL = of_model(shipped.model("llama-2-7b"))


def sizes(tokens: float) -> np.ndarray:
    return surface.sizes_of("layer", MODEL.where(micro_batch=1.0, sequence=float(tokens)))[0][0]


def evidence(residual: np.ndarray, tokens: tuple[int, ...] = TOKENS) -> Evidence:
    n = len(tokens)
    places = Places([LAYER] * n, [sizes(one) for one in tokens], np.arange(n))
    return Evidence(places, np.full(n, 1e-4), np.ones(n), residual, np.full((n, 1), 0.1))


def wave(tokens: tuple[int, ...] = TOKENS) -> np.ndarray:
    return 0.15 * np.sin(np.log(tokens))


def posterior() -> Posterior:
    return surface.solve(evidence(wave()), SCALES)


def test_measured_shapes_are_reproduced_and_those_between_follow() -> None:
    found = posterior()
    for tokens in (*TOKENS, 384, 1536):
        w = MODEL.where(micro_batch=1.0, sequence=float(tokens))
        told = float(found.surface().remainder(LAYER, w)) + 0.1 * float(found.constants[0])
        assert told == pytest.approx(0.15 * np.sin(np.log(tokens)), abs=0.04)


def test_far_from_every_row_nothing_is_added_and_the_deviation_is_the_priors() -> None:
    found = posterior()
    w = MODEL.where(micro_batch=1.0, sequence=512.0, hidden=4096.0 * 1e6)
    assert float(found.surface().remainder(LAYER, w)) == pytest.approx(0.0, abs=1e-4)
    far = surface.sizes_of("layer", w)[0]
    near = sizes(512)[None, :]
    slopes = np.zeros((1, 1))
    assert found.deviation(LAYER, far, slopes)[0] == pytest.approx(SCALES.remainder, rel=1e-3)
    assert found.deviation(LAYER, near, slopes)[0] < 0.5 * SCALES.remainder


def test_errors_of_shapes_left_out_are_those_of_a_fit_without_them() -> None:
    whole = posterior().left_out()
    for number in range(len(TOKENS)):
        keep = [i for i in range(len(TOKENS)) if i != number]
        rest = tuple(TOKENS[i] for i in keep)
        found = surface.solve(evidence(wave()[keep], rest), SCALES)
        w = MODEL.where(micro_batch=1.0, sequence=float(TOKENS[number]))
        told = float(found.surface().remainder(LAYER, w)) + 0.1 * float(found.constants[0])
        assert whole[number] == pytest.approx(wave()[number] - told, abs=1e-9)


def test_the_gradient_of_the_likelihood_is_that_of_differences() -> None:
    known, point = evidence(wave()), np.log([0.1, 1.2, 1.4, 0.02, 0.03])
    _, gradient = surface._loss(point, known)
    for number in range(5):
        nudge = 1e-5 * np.eye(5)[number]
        slope = (surface._loss(point + nudge, known)[0] - surface._loss(point - nudge, known)[0]) / 2e-5
        assert gradient[number] == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_an_array_of_shapes_gives_what_each_gives_alone() -> None:
    found = posterior().surface()
    tokens = np.array([[100.0, 512.0, 512.0], [700.0, 3000.0, 100.0]])
    many = found.remainder(LAYER, MODEL.where(micro_batch=1.0, sequence=tokens))
    alone = [[found.remainder(LAYER, MODEL.where(micro_batch=1.0, sequence=float(one))) for one in row]
             for row in tokens]  # fmt: skip
    np.testing.assert_allclose(many, alone, rtol=1e-12, atol=1e-14)
    assert isinstance(alone[0][0], float)


def test_a_class_that_was_not_measured_has_no_remainder() -> None:
    assert posterior().surface().remainder(("layer", "backward"), MODEL.where(micro_batch=1.0)) == 0.0


def test_a_row_that_is_far_off_is_taken_for_noisier() -> None:
    residual = wave() + np.array([0, 0, 1.0, 0, 0, 0])
    known = replace(evidence(residual), places=replace(evidence(residual).places, shapes=np.arange(6)))
    factors = surface.solve(known, replace(SCALES, remainder=0.02)).outlying(4.0)
    assert np.argmax(factors) == 2 and factors[2] > 3
