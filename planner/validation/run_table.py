"""A table of measured runs as columns, read from a CSV file in blocks of rows: a large one is read, and can be stopped,
block by block."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planner import library
from planner.errors import InputError, shorten
from planner.formula import Array

Text = NDArray[np.str_]

NUMBERS = (
    "params_b", "active_params_b", "n_layers", "hidden", "ffn_hidden", "n_heads", "n_kv_heads", "vocab", "n_experts",
    "experts_per_token", "expert_ffn", "n_shared_experts", "n_dense_layers", "seq_len", "n_gpus", "gpus_per_node",
    "nic_gbit_per_s_per_gpu", "tp", "pp", "virtual_stages", "dp", "cp", "ep", "zero_stage", "micro_batch",
    "grad_accum", "global_batch", "global_batch_tokens", "tflops_per_gpu", "mfu", "hfu", "mfu_peak_tflops",
    "step_time_s", "tokens_per_s_per_gpu", "mem_gb_per_gpu", "total_tokens", "total_gpu_hours", "energy_mwh", "co2_t",
    "cost_usd",
)  # fmt: skip
WORDS = (
    "id", "source_key", "source", "url", "as_of", "confidence", "kind", "quality", "model_name", "ffn_type",
    "tied_embeddings", "gpu", "interconnect", "precision", "sequence_parallel", "zero_group", "recompute", "framework",
    "attention", "tflops_kind", "mem_definition", "outcome", "derived", "notes",
)  # fmt: skip
BLOCK_ROWS = 1000
"""Rows of a block: a small part of a second to predict, long beside what a pass costs by itself."""
LONGEST_CELL = 4000
"""Characters of a word, as in a list of runs: a column's cells all take the room of its longest one."""
_MOST_ROWS = 2_000_000
MOST_TOLD = 50
"""Cells that are told one by one when they hold no number; the rest is counted."""


@dataclass(frozen=True)
class Runs:
    """A table of runs as columns: numbers with NaN for blank, words with '' for blank."""

    numbers: dict[str, Array]
    words: dict[str, Text]

    def __len__(self) -> int:
        return len(self.words["id"])

    def number(self, name: str, default: float | Array = np.nan) -> Array:
        """A numeric column with its blanks filled."""
        column = self.numbers[name]
        return np.where(np.isnan(column), default, column)

    def where(self, mask: NDArray[np.bool_]) -> Runs:
        """The rows that a mask keeps."""
        return Runs({k: v[mask] for k, v in self.numbers.items()}, {k: v[mask] for k, v in self.words.items()})


def joined(parts: Sequence[Runs]) -> Runs:
    """Several tables as one."""
    return Runs(
        {name: np.concatenate([part.numbers[name] for part in parts]) for name in NUMBERS},
        {name: np.concatenate([part.words[name] for part in parts]) for name in WORDS},
    )


def read(path: Path) -> Runs:
    """Read a table of runs. Columns may be missing or blank; what is no number where one belongs is named by line."""
    return joined(list(blocks(path)))


def blocks(path: Path, only: str = "") -> Iterator[Runs]:
    """The table in blocks of rows, one at least; `only`: of each block the rows of this id. Raises `InputError`, after
    the last block where cells are wrong, so that all of them are named."""
    wrong: list[tuple[int, str]] = []
    try:
        reader = csv.reader(io.StringIO(library.read_text(path), newline=""))
        header = [name.strip() for name in next(reader, [])]
        if not set(header) & {"gpu", "n_layers", "total_gpu_hours"}:
            raise InputError(f"{path}: not a table of runs; its header has none of gpu, n_layers, total_gpu_hours")
        rows, line = filter(any, reader), 2
        place = header.index("id") if only and "id" in header else None
        while (block := list(islice(rows, BLOCK_ROWS))) or line == 2:
            kept = block if place is None else [row for row in block if only in map(str.strip, row[place : place + 1])]
            yield _columns(header, kept, line, wrong)
            line += max(1, len(block))
            if line > _MOST_ROWS:
                raise InputError(f"{path}: more than {_MOST_ROWS:,} rows")
    except csv.Error as error:
        raise InputError(f"{path}: not a CSV table ({error})") from None
    if wrong:
        told = [f"{path}: line {line}: {problem}" for line, problem in sorted(wrong)[:MOST_TOLD]]
        more = [f"{path}: and {len(wrong) - MOST_TOLD:,} cells more"] if len(wrong) > MOST_TOLD else []
        raise InputError("\n".join(told + more))


def _columns(header: list[str], rows: list[list[str]], line: int, wrong: list[tuple[int, str]]) -> Runs:
    """A block's rows, the first of which is on a line, as columns."""
    turned = zip_longest(*rows, fillvalue="")
    columns = {name: [cell.strip() for cell in cells] for name, cells in zip(header, turned, strict=False)}
    blank = [""] * len(rows)
    words = {name: _words(name, columns.get(name, blank), line, wrong) for name in WORDS}
    if "id" not in columns and rows:
        words["id"] = np.array([f"row {line + i}" for i in range(len(rows))], dtype=np.str_)
    return Runs({name: _numbers(name, columns.get(name, blank), line, wrong) for name in NUMBERS}, words)


def _words(name: str, texts: list[str], line: int, wrong: list[tuple[int, str]]) -> Text:
    if texts and max(map(len, texts)) > LONGEST_CELL:
        long = [i for i, text in enumerate(texts) if len(text) > LONGEST_CELL]
        wrong += [(line + i, f"{name}: longer than {LONGEST_CELL:,} characters") for i in long]
        texts = [text[:LONGEST_CELL] for text in texts]
    return np.array(texts, dtype=np.str_)


def _numbers(name: str, texts: list[str], line: int, wrong: list[tuple[int, str]]) -> Array:
    """A column of numbers, NaN for blank; what is no number is added to `wrong` with its line."""
    read: dict[str, float] = {}
    no_numbers = set()
    for text in set(texts):
        try:
            read[text] = float(text) if text else np.nan
        except ValueError:
            read[text] = np.nan
            no_numbers.add(text)
    if no_numbers:
        wrong += [
            (line + i, f"{name}: {shorten(text)!r} is not a number")
            for i, text in enumerate(texts)
            if text in no_numbers
        ]
    values = np.array([read[text] for text in texts], dtype=float)
    values[~np.isfinite(values) | (values < 0)] = np.nan
    return values
