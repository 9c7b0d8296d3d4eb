"""What a ladder leaves behind: a row a run, the CSV that `fit` reads, and the law with its provenance."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from planner import __version__, library
from planner.errors import InputError
from planner.quality import losses
from planner.quality.fit import Fit, fit
from planner.quality.ladder.corpus import Corpus
from planner.quality.points import Points
from planner.writing import write_atomically

SAMPLES = 1000
"""Bootstrap samples of the law's errors."""
LEAST_SHARE, LARGEST_ERROR = 0.01, 0.25
"""Of E in the lowest loss, and of its error in E: below and beyond, `fit` warns too."""


class Trained(BaseModel):
    """One run: what was trained, how, and the held-out loss (nats a token)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    purpose: Literal["point", "tuning"]
    width: int
    layers: int
    parameters: int
    non_embedding_parameters: int
    steps: int
    batch_tokens: int
    tokens: int
    learning_rate: float
    seed: int
    loss: float
    seconds: float

    @property
    def run(self) -> tuple[object, ...]:
        """What tells it from other runs of its ladder."""
        return self.purpose, self.width, self.layers, self.steps, self.batch_tokens, self.learning_rate, self.seed


def points_of(rows: Sequence[Trained]) -> Points:
    """The points among the rows; the tuning's runs are none."""
    kept = [row for row in rows if row.purpose == "point"]
    columns = np.array([(row.parameters, row.tokens, row.loss) for row in kept], dtype=float).reshape(-1, 3).T
    return Points(columns[0], columns[1], columns[2])


def seed_noise(rows: Sequence[Trained]) -> float:
    """Standard deviation of ln loss between seeds, over all runs that were repeated; 0 where none was."""
    groups: dict[tuple[int, int], list[float]] = {}
    for row in rows:
        if row.purpose == "point":
            groups.setdefault((row.parameters, row.tokens), []).append(math.log(row.loss))
    squares = sum(float(((np.array(one) - np.mean(one)) ** 2).sum()) for one in groups.values())
    freedom = sum(len(one) - 1 for one in groups.values())
    return math.sqrt(squares / freedom) if freedom else 0.0


def write_points(rows: Sequence[Trained], corpus: Corpus, out: Path) -> None:
    """POINTS.csv: `fit` needs the first three columns, the others tell how each point came about."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ["parameters", "tokens", "loss", "perplexity", "bits_per_byte", "non_embedding_parameters", "width", "layers",
         "steps", "batch_tokens", "base_learning_rate", "seed", "seconds"]
    )  # fmt: skip
    for row in rows:
        if row.purpose == "point":
            writer.writerow(
                [row.parameters, row.tokens, row.loss, float(losses.perplexity(row.loss)),
                 corpus.bits_per_byte(row.loss), row.non_embedding_parameters, row.width, row.layers, row.steps,
                 row.batch_tokens, row.learning_rate, row.seed, round(row.seconds, 3)]
            )  # fmt: skip
    write_atomically(out, stream.getvalue())


def fitted(rows: Sequence[Trained]) -> Fit:
    """The law through all points. Raises `InputError` with the reason where they identify none.

    Stricter than `fit`, whose user sees the warnings: a law that is kept under a name must know its irreducible loss,
    or its best sizes are absurd.
    """
    points = points_of(rows)
    found = fit(points, bootstrap=SAMPLES)
    irreducible, error = float(found.parameters.E), found.standard_errors["E"]
    if irreducible < LEAST_SHARE * float(points.loss.min()) or error > LARGEST_ERROR * irreducible:
        told = f"E is {irreducible:.3g} ± {error:.2g}; these points show no irreducible loss"
        raise InputError(f"points: not identified: {told}")
    return found


def save_law(found: Fit, name: str, corpus: Corpus, device: str, context_length: int) -> None:
    """The law into the user's own folder, where `frontier --law` finds it by name, with where it is from."""
    today = datetime.now(UTC).date().isoformat()
    source = (
        f"ladder of Trainplan {__version__} on {device}, {today}: {len(found.points)} runs on {corpus.text.name} "
        f"(SHA-256 {corpus.text.sha256[:16]}…; {corpus.text.source})"
    )
    law = found.law(name, source).model_copy(
        update={
            "title": f"Own ladder: {corpus.text.name}, {corpus.vocabulary.name}", "as_of": today,
            "data_set": f"{corpus.text.name} (one epoch)", "context_length": context_length,
            "tokenizer": f"{corpus.vocabulary.name}, {corpus.vocabulary.size:,}", "notes": found.warnings,
        }
    )  # fmt: skip
    path = library.user_folder() / "laws" / f"{library.slug(name)}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path.parent}: cannot be made ({error.strerror or error})") from None
    write_atomically(path, json.dumps(law.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n")
