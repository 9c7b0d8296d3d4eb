"""The search: the same numbers as one estimate, the same winner as brute force, the same rules as `check`."""

import math
import random
import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise, product, repeat

import numpy as np
import pytest

from planner.costing.rates import rates
from planner.errors import CancelledError, InputError
from planner.estimate import compute, machine
from planner.plan.check import check, divisors
from planner.plan.file import load
from planner.plan.layout import Layout
from planner.plan.section import PlanError
from planner.plan.workload import workload
from planner.search import Constraints, best_layout, search, sweep
from planner.search.events import Finished, Progress
from planner.search.ranking import FIGURES, PARETO, ranked, rounded
from planner.search.rules import OF_BATCH, OF_DEGREES, Trial
from planner.search.run import NO_MEMORY, NO_PRICE, OVER_BUDGET, PAST_DEADLINE, TOO_MANY_NODES
from planner.search.space import Space


@pytest.fixture(scope="module")
def plan():
    return load("llama-2-7b").replace(**{"cluster.nodes": 2, "recipe.global_batch": 48})


@pytest.fixture(scope="module")
def mixture():
    return load("mixtral-8x7b").replace(**{"cluster.nodes": 4, "recipe.global_batch": 64})


def scalar(plan, layout):
    """The figures of one layout by the path that `estimate` takes, without its derivations."""
    one = plan.model_copy(update={"layout": layout})
    outcome = compute(workload(one), machine(one), rates(one))
    return {name: float(figure(outcome)) for name, figure in FIGURES.items()}


def with_layout(plan, layout):
    return plan.model_copy(update={"layout": layout})


def every_layout(plan):
    """The default space by nested loops over the whole plan, held against `check` one by one."""
    gpus, layers = plan.cluster.gpus, plan.model.layers + plan.model.encoder_layers
    degrees = divisors(gpus)
    pipelines = [(pp, v, s) for pp in degrees for v in range(1, layers + 1) for s in ("1f1b", "gpipe")]
    experts = divisors(plan.model.experts) if plan.model.experts else [1]
    for tp, cp, ep, (pp, v, schedule), micro, parallel, recompute, zero in product(
        degrees, degrees, experts, pipelines, divisors(plan.recipe.global_batch), (False, True),
        ("none", "selective", "full"), range(4),
    ):  # fmt: skip
        is_short = cp > 1 and plan.recipe.sequence_length // cp < 1024
        is_another = (
            (v > 1 and (pp == 1 or schedule == "gpipe"))
            or (tp == 1 and parallel)
            or (pp == 1 and schedule == "gpipe")
            or (zero and gpus // (tp * pp) == 1)
        )
        if is_short or is_another or tp * pp * cp > gpus or pp * v > layers:
            continue
        layout = Layout(
            tp=tp, pp=pp, cp=cp, ep=ep, virtual_stages=v, schedule=schedule, zero_stage=zero, micro_batch=micro,
            sequence_parallel=parallel, recompute=recompute,
        )  # fmt: skip
        if not any(problem.severity == "error" for problem in check(with_layout(plan, layout))):
            yield layout


def columns_of(plan, layouts):
    figures = [scalar(plan, layout) for layout in layouts]
    return {
        **{name: np.array([one[name] for one in figures]) for name in FIGURES},
        **{name: np.array([getattr(one, name) for one in layouts])
           for name in ("tp", "pp", "cp", "ep", "virtual_stages", "zero_stage", "micro_batch", "sequence_parallel")},
        "gpipe": np.array([one.schedule == "gpipe" for one in layouts]),
        "recompute": np.array([("none", "selective", "full").index(one.recompute) for one in layouts]),
        "cluster": np.zeros(len(layouts)), "zero_group": np.zeros(len(layouts)),
        "optimizer_offload": np.zeros(len(layouts)), "activation_offload": np.zeros(len(layouts)),
        "recompute_layers": np.full(len(layouts), -1),
    }  # fmt: skip


@pytest.fixture(scope="module")
def small():
    """A plan whose whole space is a few thousand layouts, and that space by brute force."""
    plan = load("gpt2").replace(**{"cluster.nodes": 1, "recipe.global_batch": 12, "recipe.sequence_length": 1024})
    layouts = list(every_layout(plan))
    return plan, layouts, columns_of(plan, layouts)


@pytest.mark.parametrize("objective", ["cost", "time", "energy"])
def test_the_winner_is_that_of_brute_force_through_the_scalar_path(small, objective):
    plan, layouts, table = small
    found = search(plan, objective=objective)
    fits = table["memory_bytes"] <= plan.cluster.accelerator.memory_bytes
    index = np.flatnonzero(fits)
    name = {"cost": "cost_usd", "time": "train_time_s", "energy": "energy_kwh"}[objective]
    best = ranked({key: column[index] for key, column in table.items()} | {"row": index}, name, 10)
    assert [one.layout for one in found.best] == [layouts[i] for i in best["row"]]
    assert found.evaluated == len(layouts)
    assert found.fits == len(index)


def test_the_pareto_front_is_that_of_brute_force(small):
    plan, _, table = small
    points = np.stack([rounded(table[name]) for name in PARETO], axis=1)
    points = points[table["memory_bytes"] <= plan.cluster.accelerator.memory_bytes]
    front = {
        tuple(p) for p in points if not np.any(np.all(points <= p, axis=1) & np.any(points < p, axis=1))
    }  # fmt: skip
    found = search(plan).pareto
    assert np.allclose(sorted([one.figures[name] for name in PARETO] for one in found), sorted(front), rtol=1e-9)


@pytest.mark.parametrize("name", ["llama-2-7b", "mixtral-8x7b", "t5-11b", "gpt3-175b"])
@pytest.mark.parametrize("wide", [False, True])
def test_both_paths_give_the_same_numbers(name, wide):
    plan = load(name).replace(**{"recipe.global_batch": 1536})
    for one in spread(plan, wide=wide, count=60):
        alone = scalar(plan, one.layout)
        for key, value in one.figures.items():
            assert math.isclose(value, alone[key], rel_tol=1e-9), (one.layout, key)


@pytest.mark.parametrize("name", ["llama-2-7b", "mixtral-8x7b", "t5-11b"])
def test_every_layout_that_is_tried_passes_the_check(name):
    plan = load(name)
    for one in spread(plan, wide=True, count=200):
        assert not [p for p in check(one.plan) if p.severity == "error"], one.layout
        assert one.plan.dp * one.layout.tp * one.layout.pp * one.layout.cp == plan.cluster.gpus


def spread(plan, *, wide, count):
    """Random layouts of the space as the search hands them on, whatever they are worth."""
    from planner.search import run

    rejected = Counter()
    cluster = run._clusters(plan, (), (), Constraints(), wide, rejected, lambda: False)[0]
    standing = run._Standing("time", 1, [cluster.plan], rejected)
    rng = np.random.default_rng(0)
    found = []
    for rows, _ in cluster.space.rows(repeat(4000), rejected):
        rows = rows.taken(rng.choice(len(rows.tp), min(len(rows.tp), 40), replace=False))
        outcome = compute(cluster.space.workload(cluster.base, rows), cluster.machine, cluster.rates)
        distinct = cluster.space.distinct(rows)
        figures = {k: np.broadcast_to(np.asarray(f(outcome)), distinct.shape) for k, f in FIGURES.items()}
        index = rng.choice(np.flatnonzero(distinct), 20)
        found += standing.found(cluster._columns(0, rows, figures, index))
    random.Random(0).shuffle(found)
    return found[:count]


@pytest.mark.parametrize("name", ["llama-2-70b", "mixtral-8x7b", "t5-11b", "gpt2-xl"])
def test_the_rules_are_those_of_the_check(name):
    plan, rng = load(name), random.Random(1)
    random_degree = [1] * 8 + [2, 2, 2, 3, 4, 4, 5, 6, 8, 10, 12, 16, 25, 40]
    plans = []
    for _ in range(1500):
        layout = Layout(
            tp=rng.choice(random_degree), pp=rng.choice(random_degree), cp=rng.choice(random_degree),
            ep=rng.choice([1, 1, 1, 2, 3, 8]), virtual_stages=rng.choice([1, 1, 2, 3, 5, 20]),
            micro_batch=rng.choice([1, 2, 3, 4, 8]), sequence_parallel=rng.random() < 0.5,
        )  # fmt: skip
        recipe = plan.recipe.model_copy(update={"global_batch": rng.choice([96, 240, 1024, 1536])})
        cluster = plan.cluster.model_copy(update={"nodes": rng.choice([1, 3, 12, 80, 256])})
        plans.append(plan.model_copy(update={"layout": layout, "recipe": recipe, "cluster": cluster}))
    trials = [Trial.of(one) for one in plans]
    columns = {key: np.array([getattr(one, key) for one in trials]) for key in trials[0].__slots__}
    experts = columns.pop("experts")[0]
    table = replace(trials[0], **columns, experts=int(experts))
    masks = [(rule.path, np.broadcast_to(rule.is_broken(table), len(plans))) for rule in (*OF_DEGREES, *OF_BATCH)]
    clean = 0
    for i, one in enumerate(plans):
        of_rules = {path for path, mask in masks if mask[i]}
        of_check = {problem.path for problem in check(one) if problem.severity == "error"}
        of_check = {"layout.micro_batch" if path == "recipe.global_batch" else path for path in of_check}
        assert of_rules == of_check, one.layout
        clean += not of_rules
    assert 10 < clean < len(plans) - 10


def test_each_layout_is_counted_once(plan):
    space = Space.of(plan)
    result = search(plan)
    after = (NO_MEMORY, OVER_BUDGET, PAST_DEADLINE, NO_PRICE)
    impossible = sum(count for reason, count in result.rejected.items() if reason not in after)
    assert result.evaluated + impossible <= (
        sum(2 if tp > 1 else 1 for tp in space.tp) * len(space.cp) * len(space.ep) * len(space.pipelines)
        * len(space.micro_batches) * space.layouts_a_row
    )  # fmt: skip
    assert result.fits == result.evaluated - result.rejected.get(NO_MEMORY, 0)


def test_the_order_is_the_same_whatever_the_blocks_and_threads(mixture, monkeypatch):
    from planner.search import run

    first = search(mixture, top=40)
    monkeypatch.setattr(run, "LAYOUTS_AT_ONCE", run.LAYOUTS_AT_ONCE // 37)
    monkeypatch.setattr(run, "MOST_THREADS", 1)
    second = search(mixture, top=40)
    assert [one.layout for one in first.best] == [one.layout for one in second.best]
    assert [one.layout for one in first.pareto] == [one.layout for one in second.pareto]
    assert first.rejected == second.rejected


def test_among_equals_the_simpler_layout_stands(plan):
    best = search(plan, top=200).best
    assert all(one.layout.recompute != "selective" for one in best)  # with FlashAttention it changes nothing
    keys = [tuple(one.figures[name] for name in (*PARETO, "energy_kwh")) for one in best]
    assert len(set(keys)) == len(keys)
    costs = [one.figures["cost_usd"] for one in best]
    assert costs == sorted(costs)


def test_constraints_are_kept_and_say_what_they_cost(plan):
    free = search(plan, top=1)
    cost, duration = free.best[0].figures["cost_usd"], free.best[0].figures["train_time_s"]
    tight = search(
        plan, top=50, constraints=Constraints(memory_margin=0.5, budget_usd=cost * 1.2, deadline_s=duration * 1.1)
    )
    memory = plan.cluster.accelerator.memory_bytes
    assert tight.best
    assert all(one.figures["memory_bytes"] <= memory / 2 for one in tight.best)
    assert all(one.figures["cost_usd"] <= cost * 1.2 for one in tight.best)
    assert all(one.figures["train_time_s"] <= duration * 1.1 for one in tight.best)
    assert tight.rejected[NO_MEMORY] > free.rejected[NO_MEMORY]
    assert tight.rejected[OVER_BUDGET] > 0 and tight.rejected[PAST_DEADLINE] > 0
    nodes = search(plan, gpus=[8, 16, 32], constraints=Constraints(max_nodes=2))
    assert nodes.rejected[TOO_MANY_NODES] > 0
    assert {one.plan.cluster.nodes for one in nodes.best} <= {1, 2}


def test_counts_of_gpus_and_accelerators_are_searched_together(plan):
    found = search(plan, gpus=[4, 16], accelerators=["A100-80GB-SXM", "H100-80GB-SXM", "T4"], top=100, objective="time")
    best = found.best[0].plan
    assert (best.cluster.gpus, best.cluster.accelerator.name) == (16, "H100-80GB-SXM")
    assert any("T4 has no bf16" in reason for reason in found.rejected)
    costs = {(p.plan.cluster.gpus, p.plan.cluster.accelerator.name) for p in found.pareto}
    assert len(costs) > 1


def test_another_accelerator_takes_its_own_price(plan):
    dear = plan.replace(**{"prices.usd_per_gpu_hour": 1000.0})
    assert search(dear, accelerators=["H100-80GB-SXM"]).best[0].plan.prices.usd_per_gpu_hour is None
    assert search(dear, accelerators=["A100-80GB-SXM"]).best[0].plan.prices.usd_per_gpu_hour == 1000.0


def test_where_nothing_fits_the_closest_is_told(small):
    plan, layouts, table = small
    tight = plan.replace(**{"cluster.accelerator.memory_bytes": 1e8})
    found = search(tight)
    assert not found.best and not found.fits and found.closest
    assert (
        found.closest.layout == layouts[ranked(table | {"row": np.arange(len(layouts))}, "memory_bytes", 1)["row"][0]]
    )
    assert best_layout(tight) == found.closest.layout


def test_the_best_layout_is_the_fastest_that_fits(plan):
    layout = best_layout(plan)
    assert not [p for p in check(with_layout(plan, layout)) if p.severity == "error"]
    assert scalar(plan, layout)["train_time_s"] <= search(plan, top=3, objective="time").best[1].figures["train_time_s"]


def test_what_no_layout_mends_is_an_error(plan):
    with pytest.raises(PlanError, match="precision"):
        search(plan.replace(**{"recipe.precision": "fp8"}))
    with pytest.raises(InputError, match="do not fill nodes of 8"):
        search(plan, gpus=[12])


def test_no_layout_at_all_is_said_with_the_reasons(plan):
    alone = {"recipe.global_batch": 1, "model.layers": 1, "model.heads": 1, "model.kv_heads": 1}
    with pytest.raises(InputError, match=r"no layout is possible.*batch does not divide"):
        best_layout(plan.replace(**alone, **{"recipe.sequence_length": 7}))


def test_a_search_reports_progress_and_stops_at_once_when_cancelled():
    plan, events = load("llama-2-70b"), []
    counts = [512, 1024, 2048]
    for event in sweep(plan, gpus=counts):
        events.append(event)
    progress = [event for event in events if isinstance(event, Progress)]
    assert isinstance(events[-1], Finished)
    assert all(a.evaluated <= b.evaluated for a, b in pairwise(progress))
    asked = []

    def is_cancelled():
        asked.append(time.perf_counter())
        return len(asked) > 2

    with pytest.raises(CancelledError):
        search(plan, gpus=counts, wide=True, is_cancelled=is_cancelled)
    assert time.perf_counter() - asked[2] < 1.0


def test_memory_stays_bounded_however_large_the_space():
    import tracemalloc

    plan = load("llama-2-70b")
    search(plan)
    tracemalloc.start()
    search(plan, gpus=[2048], wide=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 400e6
