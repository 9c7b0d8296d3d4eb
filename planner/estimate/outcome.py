"""The composition on numbers or arrays: counting, timing and costing, from a step to a whole training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.costing import energy, goodput, money, purchase
from planner.costing.rates import Rates
from planner.counting import flops, memory, parameters
from planner.counting.flops import Flops
from planner.counting.memory import Memory
from planner.counting.parameters import Parameters
from planner.estimate.constants import Machine
from planner.formula import Number, formula
from planner.plan.workload import Workload
from planner.timing import step as step_timing
from planner.timing.step import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything derived, as numbers or arrays in SI units."""

    parameters: Parameters
    flops: Flops
    memory: Memory
    step: Step
    fits: Number
    steps: Number
    tokens_per_s: Number
    flops_per_s_per_gpu: Number
    mfu: Number
    mfu_causal: Number
    hfu: Number
    model_flops: Number
    hardware_flops: Number
    productive_s: Number
    goodput: Number
    train_time_s: Number
    gpu_hours: Number
    energy_kwh: Number
    co2e_kg: Number
    accelerators_usd: Number
    idle_usd: Number
    electricity_usd: Number
    network_usd: Number
    exploration_usd: Number
    storage_usd: Number
    staff_usd: Number
    total_usd: Number
    power_w: Number


@formula("B·s", unit="tokens", source="definition of the global batch")
def step_tokens(batch: Number, sequence: Number) -> Number:
    """Tokens of one optimizer step."""
    return batch * sequence


@formula("B/dp", unit="sequences", source="each data-parallel rank has an equal share of the global batch")
def rank_sequences(batch: Number, dp: Number) -> Number:
    """Sequences of one optimizer step on one data-parallel rank."""
    return batch / dp


@formula("D/(B·s)", unit="steps", source="definition of an optimizer step")
def training_steps(tokens: Number, batch: Number, sequence: Number) -> Number:
    """Optimizer steps of the whole training; the last may be partial."""
    return tokens / (batch * sequence)


@formula("B·s/t_step", unit="tokens/s", source="definition of throughput")
def tokens_per_second(batch: Number, sequence: Number, step_s: Number) -> Number:
    """Tokens that the whole cluster trains on in a second."""
    return batch * sequence / step_s


@formula("FLOPs_step/(t_step·GPUs)", unit="FLOP/s", source="PaLM (arXiv 2204.02311) appendix B")
def flops_per_gpu(step_flops: Number, step_s: Number, gpus: Number) -> Number:
    """FLOP/s that one GPU delivers."""
    return step_flops / (step_s * gpus)


@formula("FLOP/s/peak", unit="fraction", source="PaLM (arXiv 2204.02311) appendix B")
def utilization(flops_per_s: Number, peak: Number) -> Number:
    """Share of the dense peak that is delivered: MFU of model FLOPs, HFU of hardware FLOPs."""
    return flops_per_s / peak


@formula("steps·t_step", unit="s", source="definition")
def productive_time(steps: Number, step_s: Number) -> Number:
    """Time of all steps without a failure or a checkpoint."""
    return steps * step_s


@formula("productive/goodput", unit="s", source="definition of goodput")
def wall_time(productive_s: Number, goodput: Number) -> Number:
    """Time on the calendar."""
    return productive_s / goodput


@formula("FLOPs_step·steps", unit="FLOP", source="definition")
def whole_training(step_flops: Number, steps: Number) -> Number:
    """FLOPs of the whole training."""
    return step_flops * steps


def compute(w: Workload, machine: Machine, terms: Rates) -> Outcome:
    """Every number of a workload. Floats for one plan, arrays for many: the same code."""
    counted = parameters.count(w)
    work, held = flops.count(w), memory.count(w, counted, machine.allocation, terms.memory_bytes)
    step = step_timing.count(w, counted, machine.device, machine.network, machine.software)
    steps = training_steps(w.tokens, w.batch, w.sequence)
    mean_time = goodput.mean_time_between_failures_s(terms.failures_per_node_day, terms.nodes)
    useful = goodput.goodput(terms.checkpoint_s, mean_time, terms.restart_s, terms.other_losses)
    productive = productive_time(steps, step.total)
    wall = wall_time(productive, useful)
    hours = money.gpu_hours(w.gpus, wall)
    delivered = flops_per_gpu(work.step_full, step.total, w.gpus)
    hardware = utilization(flops_per_gpu(work.step_hardware, step.total, w.gpus), terms.peak_flops)
    share = np.where(np.isnan(terms.power_share), energy.power_share(hardware), terms.power_share)[()]
    measured = np.isnan(terms.power_share) & ~np.isnan(machine.device.power_w)
    power = np.where(measured, machine.device.power_w, energy.board_power_w(terms.tdp_w, share))[()]
    kwh = energy.energy_kwh(hours, power, terms.server_overhead, terms.pue)
    rent = money.accelerators_usd(hours, terms.usd_per_gpu_hour)
    links = money.network_usd(rent, terms.network_premium)
    current = purchase.electricity_usd(kwh, terms.usd_per_kwh)
    idle_hours = purchase.idle_gpu_hours(hours, w.gpus, terms.term_days, terms.other_use)
    idle = purchase.idle_usd(idle_hours, terms.usd_per_gpu_hour)
    trials = money.exploration_usd(rent, links, current, terms.exploration)
    checkpoint_bytes = counted.total * (w.weight_bytes + w.optimizer_bytes)
    storage = money.storage_usd(
        checkpoint_bytes, terms.checkpoints_kept, w.tokens * terms.data_bytes_per_token,
        terms.storage_usd_per_tb_month, wall,
    )  # fmt: skip
    return Outcome(
        parameters=counted, flops=work, memory=held, step=step, fits=held.total <= terms.memory_bytes, steps=steps,
        tokens_per_s=tokens_per_second(w.batch, w.sequence, step.total), flops_per_s_per_gpu=delivered,
        mfu=utilization(delivered, terms.peak_flops),
        mfu_causal=utilization(flops_per_gpu(work.step_causal, step.total, w.gpus), terms.peak_flops), hfu=hardware,
        model_flops=whole_training(work.step_full, steps), hardware_flops=whole_training(work.step_hardware, steps),
        productive_s=productive, goodput=useful, train_time_s=wall, gpu_hours=hours, energy_kwh=kwh,
        co2e_kg=energy.co2e_kg(kwh, terms.kg_per_kwh), accelerators_usd=rent, idle_usd=idle,
        electricity_usd=current, network_usd=links, exploration_usd=trials, storage_usd=storage,
        staff_usd=terms.staff_usd,
        total_usd=money.total_usd(rent, idle, current, links, trials, storage, terms.staff_usd), power_w=power,
    )  # fmt: skip
