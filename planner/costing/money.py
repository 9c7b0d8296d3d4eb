"""Dollars by part. What is included is exactly what is listed; an unknown price gives an unknown (NaN) part."""

from __future__ import annotations

from planner.formula import Number, formula


@formula(
    "GPUs·wall/3600", unit="GPU-hours", source="every accelerator of the job is paid for as long as the job holds it"
)
def gpu_hours(gpus: Number, wall_s: Number) -> Number:
    """Accelerator-hours of a job."""
    return gpus * wall_s / 3600


@formula("GPU-hours·price", unit="USD", source="rental by the accelerator-hour")
def accelerators_usd(gpu_hours: Number, usd_per_gpu_hour: Number) -> Number:
    """Rent of the accelerators with their hosts."""
    return gpu_hours * usd_per_gpu_hour


@formula("accelerators·premium", unit="USD", source="the fabric's share, where the price does not include it")
def network_usd(accelerators: Number, premium: Number) -> Number:
    """Premium of the fabric between nodes."""
    return accelerators * premium


@formula(
    "(accelerators + network + electricity)·share", unit="USD", source="stated multiplier for trials and failed runs"
)
def exploration_usd(accelerators: Number, network: Number, electricity: Number, share: Number) -> Number:
    """Compute spent on the way to the final run."""
    return (accelerators + network + electricity) * share


@formula(
    "(checkpoints·bytes + data)·price·months",
    unit="USD",
    source="checkpoints kept and training data, stored for the length of the run",
)
def storage_usd(
    checkpoint_bytes: Number, checkpoints: Number, data_bytes: Number, usd_per_tb_month: Number, wall_s: Number
) -> Number:
    """Storage of checkpoints and data while the run lasts (30.4375 days a month)."""
    return (checkpoints * checkpoint_bytes + data_bytes) / 1e12 * usd_per_tb_month * wall_s / (30.4375 * 86400)


@formula(
    "accelerators + idle + electricity + network + exploration + storage + staff", unit="USD", source="sum of the parts"
)
def total_usd(
    accelerators: Number, idle: Number, electricity: Number, network: Number, exploration: Number, storage: Number,
    staff: Number,
) -> Number:  # fmt: skip
    """Everything that is priced."""
    return accelerators + idle + electricity + network + exploration + storage + staff
