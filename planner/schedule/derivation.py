"""What a schedule and a timeline show, as figures: the estimate's own formulas, asked once more and recorded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.counting import memory as counting
from planner.estimate import CALIBRATION, Estimate, Figure
from planner.formula import Number, given, recording
from planner.plan.workload import workload
from planner.schedule.memory import Timeline, alive, sizes
from planner.schedule.step import HEAD_FORWARD, KINDS, Event, Schedule, layers_of
from planner.timing import layer
from planner.timing import step as step_timing
from planner.timing.device import Device

WAITS = "a time of the simulated step: between its own work a stage waits for the other stages"
DEALT = "the plan's layers, dealt to its stages"
ALIVE = "counted in the simulated schedule at this moment"


def event_figure(estimate: Estimate, schedule: Schedule, event: Event) -> Figure:
    """How long an event lasts."""
    label = f"{KINDS[event.kind]} of stage {event.stage + 1}"
    if event.kind == "bubble":
        with recording():
            begins = given("what comes after the wait begins", event.end_s, unit="s", source=WAITS)
            waited = begins - given("what lies before it ends", event.start_s, unit="s", source=WAITS)
        return Figure.of("schedule.bubble", label, waited, "s")
    with recording():
        value = _lasts_s(estimate, schedule, event)
    return Figure.of(f"schedule.{event.kind}", label, value, "s", source="" if value else "does not occur in this plan")


def memory_figure(estimate: Estimate, schedule: Schedule, line: Timeline, index: int) -> Figure:
    """What a stage holds at a point of its timeline: what stays, and what is alive then."""
    chunks, layers, logits = alive(schedule, line.stage, index)
    with recording():
        w, kept = workload(estimate.plan), estimate.machine.allocation
        capacity = estimate.plan.cluster.accelerator.memory_bytes
        held = counting.stage(w, estimate.outcome.parameters, line.stage, kept, capacity)
        a_chunk, again = sizes(w, estimate, schedule, held, line.stage)
        total = held.weights + held.gradients + held.optimizer
        total = total + (held.gathered + held.buffers + held.reserve + held.context)
        for name, count, size in (
            ("micro-batches' chunks in flight", chunks, a_chunk), ("layers computed again", layers, again),
            ("logits", logits, held.logits),
        ):  # fmt: skip
            if count:
                total = total + given(name, count, source=ALIVE) * size
    return Figure.of("schedule.memory", f"Memory of stage {line.stage + 1} at this moment", total, "B")


def _lasts_s(estimate: Estimate, schedule: Schedule, event: Event) -> Number:
    machine, step = estimate.machine, estimate.outcome.step
    w, device = workload(estimate.plan), _calibrated(estimate)
    if event.kind == "gradients":
        return step.gradients
    if event.kind == "other":
        host = step_timing.outside_layers_s(w, machine.software)
        return given("host outside the layers", host, unit="s", source="the software's generation") + step.stragglers
    if event.kind == "messages":
        return step_timing.messages_s(w, machine.network, machine.software) / (2 * schedule.pipeline.chunks)
    there, back = layer.passes(w, device, machine.network, machine.software)
    head = step_timing.head_s(w, device, machine.software)
    held = layers_of(w, float(there.total + back.total), float(head), machine.software.balances_head)
    if event.kind == "optimizer":
        most = given("layers of the longest stage", max(map(sum, held)), source=DEALT)
        of_layers = (there.offload + back.offload) * w.micro_batches * most
        return step.optimizer + np.maximum(0.0, step.offload - of_layers)
    return _block_s(event, schedule, held[event.stage][event.chunk], back if event.kind == "backward" else there, head)


def _block_s(event: Event, schedule: Schedule, layers: float, one: layer.Pass, head: Number) -> Number:
    """One chunk of one micro-batch in one direction: its layers, and the head where it holds that."""
    lasts = given("layers", layers, source=DEALT) * one.total
    if (event.stage, event.chunk) != (schedule.pipeline.stages - 1, schedule.pipeline.chunks - 1):
        return lasts
    share = HEAD_FORWARD if event.kind == "forward" else 1 - HEAD_FORWARD
    told = "one of the head's three products is forward, two are backward"
    return lasts + given("share of the head", share, source=told) * head


def _calibrated(estimate: Estimate) -> Device:
    """The device with its calibration, where it has one, as a measured leaf."""
    device, calibration = estimate.machine.device, estimate.machine.calibration
    if calibration is None:
        return device
    ratio = given(CALIBRATION, calibration.ratio, source=calibration.told, kind="measured")
    return replace(device, calibration=ratio)
