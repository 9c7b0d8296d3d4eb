"""What follows pre-training: compute and people of each stage, and which share safety takes.

Every formula is elementwise. `account` reads the plan's ranged figures through a function: their values give the
account on screen, arrays of draws from their ranges give its bands, by the same code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from planner.formula import Array, Number, formula, given
from planner.plan.post_training import PostTraining, Ranged, Stage, known

SCORED = {"rejection-sampling": 2.0, "ppo": 4.0, "evaluation": 1.0}
"""Forward passes over a generated answer: two reward models (Llama 2, arXiv 2307.09288 §3.2.3: helpfulness and
safety); PPO also the reference model and the critic."""
REFERENCE = {"dpo": 1.0}
"""Forward passes over a trained sequence beside training: DPO's reference model (arXiv 2305.18290)."""
TRAINED = {"ppo": 2.0}
"""Models that each training pass updates: PPO's policy and critic."""
DRAWS = 4000
_KINDS = {"seen": "published", "recalled": "published", "recalled+seen": "published", "assumed": "assumed"}
Read = Callable[[Ranged, str], Number]
"""From a ranged figure and its name to a number: its value, or draws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute:
    """What compute costs, for the model after its pre-training. Ranged where the account's own figures are."""

    parameters: Number
    flops_per_s_per_gpu: Number
    """Model FLOP/s that training reaches on one GPU."""
    gpu_s_per_input_token: Number
    gpu_s_per_output_token: Number
    """GPU-seconds of a server for a token read and a token written."""
    usd_per_gpu_hour: Number
    pretraining_gpu_hours: Ranged


@dataclass(frozen=True, slots=True)
class Cost:
    """One stage (or the pre-training, or the trials), all its rounds."""

    name: str
    gpu_hours: Number
    compute_usd: Number
    people_usd: Number
    people_hours: Number
    safety_usd: Number

    @property
    def usd(self) -> Number:
        """Compute and people."""
        return self.compute_usd + self.people_usd


@dataclass(frozen=True, slots=True)
class Account:
    """Pre-training, what else was trained, trials, and every stage."""

    pretraining: Cost
    related: Cost
    trials: Cost
    stages: tuple[Cost, ...]
    weeks: Number
    """Annotators at work, all stages one after the other."""

    @property
    def parts(self) -> tuple[Cost, ...]:
        """Everything, in order."""
        return (self.pretraining, self.related, self.trials, *self.stages)

    @property
    def gpu_hours(self) -> Number:
        """Of everything."""
        return sum(part.gpu_hours for part in self.parts)

    @property
    def usd(self) -> Number:
        """Of everything."""
        return sum(part.usd for part in self.parts)

    @property
    def people_usd(self) -> Number:
        """Paid to people."""
        return sum(part.people_usd for part in self.parts)

    @property
    def safety_usd(self) -> Number:
        """Spent on safety, compute and people."""
        return sum(part.safety_usd for part in self.parts)

    @property
    def stages_usd(self) -> Number:
        """Post-training by itself."""
        return sum((part.usd for part in self.stages), 0.0)


@formula(
    "answers·(prompt·t_in + answer·t_out)/speed/3600",
    unit="GPU-hours",
    source="reading by compute, writing by bandwidth (planner.costing.serving); slower inside the training software",
)
def generation_gpu_hours(
    answers: Number, prompt_tokens: Number, answer_tokens: Number, input_gpu_s: Number, output_gpu_s: Number,
    speed: Number,
) -> Number:  # fmt: skip
    """GPU-hours to sample answers from the model itself."""
    return answers * (prompt_tokens * input_gpu_s + answer_tokens * output_gpu_s) / speed / 3600


@formula("passes·2·N·answers·(prompt + answer)", unit="FLOP", source="a forward pass is 2·N a token")
def scoring_flops(passes: Number, parameters: Number, answers: Number, tokens: Number) -> Number:
    """FLOPs to score sampled answers with models of the same size."""
    return passes * 2 * parameters * answers * tokens


@formula(
    "(6·models + 2·reference)·N·sequences·tokens·epochs",
    unit="FLOP",
    source="C = 6·N·D a trained model, 2·N·D a reference",
)
def stage_training_flops(
    models: Number, reference: Number, parameters: Number, sequences: Number, tokens: Number, epochs: Number
) -> Number:
    """FLOPs of a stage's training passes."""
    return (6 * models + 2 * reference) * parameters * sequences * tokens * epochs


@formula("FLOPs/(FLOP/s a GPU)/3600", unit="GPU-hours", source="at the model FLOP/s that the plan's training reaches")
def flops_gpu_hours(flops: Number, flops_per_s_per_gpu: Number) -> Number:
    """GPU-hours of so many FLOPs."""
    return flops / flops_per_s_per_gpu / 3600


@formula(
    "answers·p_a + comparisons·p_c + hours·p_h",
    unit="USD",
    source="prices a piece and an hour, as the plan states them",
)
def people_usd(
    answers: Number, comparisons: Number, hours: Number, usd_per_answer: Number, usd_per_comparison: Number,
    usd_per_hour: Number,
) -> Number:  # fmt: skip
    """What people are paid for one round of a stage."""
    return answers * usd_per_answer + comparisons * usd_per_comparison + hours * usd_per_hour


@formula("answers/rate_a + comparisons/rate_c + hours", unit="h", source="throughput of one annotator")
def people_hours(
    answers: Number, comparisons: Number, hours: Number, answers_per_hour: Number, comparisons_per_hour: Number
) -> Number:
    """Hours of people in one round of a stage."""
    written = answers / np.maximum(answers_per_hour, 1e-9)
    return written + comparisons / np.maximum(comparisons_per_hour, 1e-9) + hours


def value_of(figure: Ranged, name: str) -> Number:
    """A figure's value, a sourced leaf of derivations."""
    return given(name, figure.value, source=figure.source or "plan", kind=_KINDS[figure.confidence])


def account(post: PostTraining, compute: Compute, read: Read = value_of) -> Account:
    """The whole account; `read` turns a ranged figure into its value, or into draws."""
    price = read(post.usd_per_gpu_hour, "usd_per_gpu_hour") if post.usd_per_gpu_hour else compute.usd_per_gpu_hour
    stages = tuple(_stage(stage, post, compute, price, read) for stage in post.stages)
    before = _hours_only("Pre-training", read(compute.pretraining_gpu_hours, "pretraining_gpu_hours"), price)
    related = _hours_only(
        "Pre-training of the family's other models", read(post.related_gpu_hours, "related_gpu_hours"), price
    )
    hours = before.gpu_hours + related.gpu_hours + sum(stage.gpu_hours for stage in stages)
    trials = _hours_only("Trials and failed runs", hours * read(post.trials, "trials"), price)
    weeks = sum((stage.people_hours for stage in stages), 0.0) / (post.annotators * post.hours_per_week)
    return Account(before, related, trials, stages, weeks)


def drawn(post: PostTraining, compute: Compute, seed: int = 2307) -> Account:
    """The account with every ranged figure an array of `DRAWS` draws from its range, each figure on its own."""
    generator = np.random.default_rng(seed)
    return account(post, compute, lambda figure, _: draws(figure, generator.standard_normal(DRAWS)))


def draws(figure: Ranged, normal: Array) -> Array:
    """Draws whose median is the value and whose 10th and 90th percentiles are the range's ends, each side its own
    log-normal (a normal where an end is 0)."""
    z = normal / 1.2815515655446004
    if figure.low > 0:
        up, down = np.log(figure.high / figure.value), np.log(figure.value / figure.low)
        return np.asarray(figure.value * np.exp(np.where(z > 0, up, down) * z))
    spread = np.where(z > 0, figure.high - figure.value, figure.value - figure.low)
    return np.asarray(np.maximum(0.0, figure.value + spread * z))


def interval(values: Number) -> tuple[float, float]:
    """The 80 % range of draws; of one number, that number twice."""
    low, high = np.quantile(np.asarray(values), [0.1, 0.9])
    return float(low), float(high)


def pretraining_hours(value: float, low: float | None = None, high: float | None = None) -> Ranged:
    """GPU-hours of the plan's own training with their band."""
    return known(value) if low is None or high is None else Ranged(value=value, low=low, high=high, source="estimate")


def _hours_only(name: str, gpu_hours: Number, price: Number) -> Cost:
    return Cost(name, gpu_hours, gpu_hours * price, 0.0, 0.0, 0.0)


def _stage(stage: Stage, post: PostTraining, compute: Compute, price: Number, read: Read) -> Cost:
    written, compared, hours = (
        read(stage.written_answers, "written_answers"),
        read(stage.comparisons, "comparisons"),
        read(stage.expert_hours, "expert_hours"),
    )
    rounds = given("rounds", float(stage.rounds), source=stage.source or "plan")
    paid = rounds * people_usd(
        written, compared, hours, read(post.usd_per_written_answer, "usd_per_written_answer"),
        read(post.usd_per_comparison, "usd_per_comparison"), read(post.usd_per_expert_hour, "usd_per_expert_hour"),
    )  # fmt: skip
    worked = rounds * people_hours(
        written,
        compared,
        hours,
        read(post.answers_per_hour, "answers_per_hour"),
        read(post.comparisons_per_hour, "comparisons_per_hour"),
    )
    gpu_hours = rounds * _stage_gpu_hours(stage, post, compute, read)
    rent = gpu_hours * price
    return Cost(stage.name, gpu_hours, rent, paid, worked, read(stage.safety_share, "safety_share") * (rent + paid))


def _stage_gpu_hours(stage: Stage, post: PostTraining, compute: Compute, read: Read) -> Number:
    """Sampling, scoring and training of one round."""
    answers, prompt, answer = (
        read(stage.generated_answers, "generated_answers"),
        read(stage.prompt_tokens, "prompt_tokens"),
        read(stage.answer_tokens, "answer_tokens"),
    )
    sampled = generation_gpu_hours(
        answers, prompt, answer, compute.gpu_s_per_input_token, compute.gpu_s_per_output_token,
        np.maximum(read(post.generation_gpu_share, "generation_gpu_share"), 1e-3),
    )  # fmt: skip
    scored = scoring_flops(SCORED.get(stage.kind, 0.0), compute.parameters, answers, prompt + answer)
    trained = stage_training_flops(
        stage.models * TRAINED.get(stage.kind, 1.0), REFERENCE.get(stage.kind, 0.0), compute.parameters,
        read(stage.trained_sequences, "trained_sequences"), read(stage.sequence_tokens, "sequence_tokens"),
        read(stage.epochs, "epochs"),
    )  # fmt: skip
    return sampled + flops_gpu_hours(scored + trained, compute.flops_per_s_per_gpu)
