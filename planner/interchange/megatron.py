"""Megatron-LM's arguments (pretrain_gpt.py, core 0.16 to 0.19): a bash script out; a list of arguments or such a script
in."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator
from typing import Any

from planner.errors import InputError, shorten
from planner.interchange.content import Content, Found, Written
from planner.interchange.script import Script
from planner.plan.model import Model
from planner.plan.plan import Plan

TITLE = "Megatron-LM arguments"
NAMES = (".sh", ".args", ".txt")
RELEASE = "core_v0.19.0"
"""The newest release whose own parser and checks have taken what is written here (`tests/interchange/test_engines.py`),
by its tag."""
_MOST_TOKENS = 20_000
_LONGEST = 2**17
"""Characters: Megatron-LM's own scripts have some thousands, and `shlex` takes the square of a long word's length."""
_POSITIONS = {"rotary": "rope", "learned": "learned_absolute", "none": "none"}
_NORMS = {"rmsnorm": "RMSNorm", "layernorm": "LayerNorm"}
_STRATEGIES = {"no_shard": 0, "optim": 1, "optim_grads": 2, "optim_grads_params": 3}
_EXCHANGES = {"ring": "p2p", "all-gather": "allgather"}
_OPTIMIZERS = {"adamw": "adam", "sgd": "sgd", "muon": "muon"}
_TOKENIZER = "GPT2BPETokenizer"
"""Where none is named (`args_defaults` of pretrain_gpt.py)."""
_VOCABULARIES = {_TOKENIZER: 50_257, "Llama2Tokenizer": 32_000}
"""Entries of the tokenizers that are always the same ones; others' are in files that the arguments only name."""
_NO_MATTER = (
    "tokenizer-type", "tokenizer-model", "data-path", "mock-data", "split", "save", "load", "save-interval", "lr",
    "min-lr", "lr-decay-style", "lr-decay-iters", "lr-decay-samples", "lr-warmup-iters", "lr-warmup-samples",
    "lr-warmup-fraction", "weight-decay", "clip-grad", "adam-beta1", "adam-beta2", "init-method-std", "log-interval",
    "eval-interval", "eval-iters", "seed", "tensorboard-dir", "norm-epsilon", "layernorm-epsilon", "rotary-base",
    "distributed-backend", "transformer-impl", "use-mcore-models", "overlap-grad-reduce", "overlap-param-gather",
    "make-vocab-size-divisible-by", "no-masked-softmax-fusion", "moe-aux-loss-coeff", "moe-router-load-balancing-type",
    "moe-token-dispatcher-type", "moe-grouped-gemm", "group-query-attention", "recompute-method", "recompute-modules",
    "fp8-recipe", "fp8-amax-history-len", "fp8-amax-compute-algo", "attention-backend",
    "no-gradient-accumulation-fusion",
    "rdzv-id", "rdzv-backend", "rdzv-endpoint", "master-addr", "use-distributed-optimizer",
    "master-port", "node-rank", "disable-bias-linear",
    "num-workers", "log-throughput", "ckpt-format", "no-load-optim", "no-load-rng", "rotary-percent", "vocab-file",
    "merge-file", "use-flash-attn", "use-precision-aware-optimizer",
)  # fmt: skip


def matches(text: str) -> bool:
    """Whether a text has Megatron's arguments."""
    return "--num-layers" in text and "--hidden-size" in text


# Out.


def write(plan: Plan) -> Written:
    """A bash script that starts the run with torchrun. Raises `InputError` naming what Megatron-LM cannot do."""
    lines = "".join(f"  {one} \\\n" for one in argument_lines(plan))
    text = (
        "#!/usr/bin/env bash\n"
        "# Megatron-LM in the layout of a Trainplan plan. Run it on each node inside Megatron-LM's folder, with\n"
        "# NODE_RANK, MASTER_ADDR and, for more than a dry run, the data in place of --mock-data.\n"
        "set -euo pipefail\n"
        f"{environment(plan)}"
        f"torchrun --nnodes {plan.cluster.nodes} --nproc-per-node {plan.cluster.gpus_per_node} \\\n"
        '  --node-rank "${NODE_RANK:-0}" --master-addr "${MASTER_ADDR:-localhost}" \\\n'
        '  --master-port "${MASTER_PORT:-29500}" \\\n'
        f'  pretrain_gpt.py \\\n{lines}  "$@"\n'
    )
    return Written(text, notes=_notes(plan))


def environment(plan: Plan) -> str:
    """Shell lines before the start: Megatron-LM refuses to, up to Hopper, where the kernels of tensor and context
    parallelism may be launched in another order, and refuses that one order with its FSDP."""
    if plan.layout.zero_stage > 1:
        return "unset CUDA_DEVICE_MAX_CONNECTIONS\n"
    return "export CUDA_DEVICE_MAX_CONNECTIONS=1\n" if plan.layout.tp > 1 or plan.layout.cp > 1 else ""


def argument_lines(plan: Plan) -> list[str]:
    """The arguments, each with its value, quoted for a shell."""
    return [shlex.join(one) for one in _arguments(plan)]


def arguments(plan: Plan) -> list[str]:
    """The arguments as a program takes them. Raises `InputError` naming what Megatron-LM cannot do."""
    return [word for one in _arguments(plan) for word in one]


def _arguments(plan: Plan) -> list[list[str]]:
    _demand(plan)
    parts = (*_model_arguments(plan.model), *_recipe_arguments(plan), *_layout_arguments(plan))
    return [[f"--{name}", *map(str, values)] for name, *values in parts]


def _demand(plan: Plan) -> None:
    model, recipe, layout, problems = plan.model, plan.recipe, plan.layout, []
    if model.architecture != "decoder":
        problems.append(f"model.architecture: pretrain_gpt.py trains decoders, not {model.architecture}")
    if model.positions not in _POSITIONS:
        problems.append(f"model.positions: Megatron-LM's decoder has {', '.join(_POSITIONS)}, not {model.positions}")
    if model.activation == "geglu" or model.activation == "relu":
        problems.append(f"model.activation: Megatron-LM has no argument for {model.activation}")
    if model.qkv_bias and not model.output_bias and model.ffn_bias:
        problems.append("model.output_bias: Megatron-LM has biases in all matrices or in query, key and value alone")
    if model.output_bias != model.ffn_bias:
        problems.append("model.ffn_bias: Megatron-LM has biases in all matrices or in query, key and value alone")
    if recipe.optimizer not in _OPTIMIZERS:
        problems.append(f"recipe.optimizer: Megatron-LM has {', '.join(_OPTIMIZERS)}, not {recipe.optimizer}")
    if recipe.optimizer == "muon" and layout.zero_stage > 1:
        problems.append("layout.zero_stage: Megatron-FSDP shards what AdamW and SGD keep, not Muon; take stage 0 or 1")
    if layout.optimizer_offload and (recipe.optimizer != "adamw" or not layout.zero_stage):
        problems.append("layout.optimizer_offload: Megatron-LM offloads AdamW, sharded by ZeRO 1 or more, alone")
    chunks = layout.pp * layout.virtual_stages
    if layout.virtual_stages > 1 and (model.layers + 2) % chunks and model.layers % chunks:
        problems.append(f"layout.virtual_stages: {model.layers} layers do not divide into {chunks} chunks")
    ends = model.layers - math.ceil(model.layers / layout.pp) * (layout.pp - 2)
    if layout.virtual_stages == 1 and model.layers % layout.pp and ends < 2:
        problems.append(f"layout.pp: {model.layers} layers leave none for the ends of {layout.pp} stages")
    if layout.schedule != "1f1b":
        problems.append(f"layout.schedule: Megatron-LM runs 1F1B, not {layout.schedule}")
    if problems:
        raise InputError("\n".join(problems))


def _model_arguments(model: Model) -> Iterator[list[Any]]:
    yield ["num-layers", model.layers]
    yield ["hidden-size", model.hidden]
    yield ["ffn-hidden-size", model.ffn]
    yield ["num-attention-heads", model.heads]
    if model.kv_heads != model.heads:
        yield ["group-query-attention"]
        yield ["num-query-groups", model.kv_heads]
    if model.is_latent:
        yield ["multi-latent-attention"]
        yield from ([name, value] for name, value in _latent_widths(model).items() if value)
        yield ["qk-layernorm"]
    else:
        yield ["kv-channels", model.head_dim]
    yield ["max-position-embeddings", model.max_sequence]
    yield ["position-embedding-type", _POSITIONS[model.positions]]
    yield ["normalization", _NORMS[model.norm]]
    if flag := {"swiglu": "swiglu", "squared-relu": "squared-relu"}.get(model.activation):
        yield [flag]
    if not model.ffn_bias:
        yield ["disable-bias-linear"]
        if model.qkv_bias:
            yield ["add-qkv-bias"]
    if model.qk_norm:
        yield ["qk-layernorm"]
    if not model.tied_embeddings:
        yield ["untie-embeddings-and-output-weights"]
    yield ["tokenizer-type", "NullTokenizer"]
    yield ["vocab-size", model.vocabulary]
    yield ["make-vocab-size-divisible-by", 1]
    if model.is_mixture:
        yield ["num-experts", model.experts]
        yield ["moe-router-topk", model.experts_per_token]
        yield ["moe-ffn-hidden-size", model.expert_ffn or model.ffn]
        if model.shared_experts:
            yield ["moe-shared-expert-intermediate-size", model.shared_experts * (model.expert_ffn or model.ffn)]
        if model.dense_layers:
            yield ["moe-layer-freq", f"([0]*{model.dense_layers}+[1]*{model.layers - model.dense_layers})"]


def _latent_widths(model: Model) -> dict[str, int]:
    return {
        "q-lora-rank": model.query_rank, "kv-lora-rank": model.latent_rank,
        "qk-head-dim": model.head_dim - model.rotary_dim, "qk-pos-emb-head-dim": model.rotary_dim,
        "v-head-dim": model.value_width,
    }  # fmt: skip


def _recipe_arguments(plan: Plan) -> Iterator[list[Any]]:
    recipe = plan.recipe
    yield ["seq-length", recipe.sequence_length]
    yield ["micro-batch-size", plan.layout.micro_batch]
    yield ["global-batch-size", recipe.global_batch]
    yield ["train-samples", math.ceil(recipe.tokens / recipe.sequence_length)]
    yield ["optimizer", _OPTIMIZERS[recipe.optimizer]]
    if recipe.precision not in ("fp32", "tf32"):
        yield ["fp16" if recipe.precision == "fp16" else "bf16"]
    if recipe.precision in ("fp8", "mxfp8"):
        yield ["fp8-format", "hybrid"]
        yield ["fp8-recipe", "mxfp8" if recipe.precision == "mxfp8" else "delayed"]
    if recipe.precision == "nvfp4":
        yield ["fp4-format", "e2m1"]
    if recipe.gradient_bytes >= 4 and recipe.precision not in ("fp32", "tf32"):
        yield ["accumulate-allreduce-grads-in-fp32"]
    elif recipe.precision not in ("fp32", "tf32", "fp16"):
        yield ["grad-reduce-in-bf16"]
    yield ["attention-backend", "flash" if recipe.attention == "flash" else "unfused"]
    for kind in ("attention", "hidden"):
        yield [f"{kind}-dropout", 0.1 if recipe.dropout else 0.0]
    if recipe.expert_capacity is not None:
        yield ["moe-expert-capacity-factor", recipe.expert_capacity]
    yield ["lr", "3e-4"]
    yield ["mock-data"]


def _layout_arguments(plan: Plan) -> Iterator[list[Any]]:
    layout = plan.layout
    for name, degree in (("tensor", layout.tp), ("pipeline", layout.pp)):
        yield [f"{name}-model-parallel-size", degree]
    yield ["context-parallel-size", layout.cp]
    yield ["expert-model-parallel-size", layout.ep]
    if layout.virtual_stages > 1:
        yield ["num-virtual-stages-per-pipeline-rank", layout.virtual_stages]
        if plan.model.layers % (layout.pp * layout.virtual_stages):
            yield ["account-for-embedding-in-pipeline-split"]
            yield ["account-for-loss-in-pipeline-split"]
    elif plan.model.layers % layout.pp:
        middle = math.ceil(plan.model.layers / layout.pp)
        ends = plan.model.layers - middle * (layout.pp - 2)
        yield ["decoder-first-pipeline-num-layers", math.ceil(ends / 2)]
        yield ["decoder-last-pipeline-num-layers", ends // 2]
    if layout.sequence_parallel and layout.tp > 1:
        yield ["sequence-parallel"]
    if layout.cp > 1:
        yield ["cp-comm-type", _EXCHANGES[layout.context_exchange]]
    if layout.zero_stage:
        yield ["use-distributed-optimizer"]
        instances = plan.dp * layout.cp // (layout.zero_group or plan.dp * layout.cp)
        if instances > 1:
            yield ["num-distributed-optimizer-instances", instances]
    if layout.zero_stage > 1:
        yield ["use-megatron-fsdp"]
        yield ["ckpt-format", "fsdp_dtensor"]
        yield ["data-parallel-sharding-strategy", "optim_grads" if layout.zero_stage == 2 else "optim_grads_params"]
    if layout.recompute != "none":
        yield ["recompute-granularity", layout.recompute]
    if layout.recompute == "selective" and plan.model.is_latent:
        yield ["recompute-modules", "mla_up_proj"]
    if layout.recompute == "full":
        stage = -(-plan.model.layers // layout.pp)
        layers = stage if layout.recompute_layers is None else layout.recompute_layers
        yield ["recompute-method", "block"]
        yield ["recompute-num-layers", max(1, layers // layout.virtual_stages)]
    if layout.optimizer_offload:
        yield ["optimizer-cpu-offload"]
        yield ["use-precision-aware-optimizer"]


def _notes(plan: Plan) -> list[str]:
    recipe, layout = plan.recipe, plan.layout
    untold = {
        "recipe.master_weights": not recipe.master_weights,
        "recipe.precision": recipe.precision == "tf32",
        "layout.activation_offload": layout.activation_offload,
        "model.embedding_norm": plan.model.embedding_norm,
    }
    notes = [f"{path}: Megatron-LM's arguments do not say it" for path, here in untold.items() if here]
    if recipe.optimizer == "muon" and layout.zero_stage:
        notes.append("recipe.optimizer: Megatron-LM shards what Muon keeps from core 0.18 on")
    return notes


# In.


def read(text: str) -> Found:
    """What a list of arguments, or a script with one, says. Raises `InputError` naming the argument."""
    if other := re.search(r"\bpretrain_(?!gpt\b)\w+\.py\b", text):
        raise InputError(f"{other[0]}: only the arguments of pretrain_gpt.py are read")
    script = Script(_words(text))
    options, unread = _options(script)
    content = Content(options, {name: f"the script tells no value of {word}" for name, word in unread.items()})
    content.known(*_NO_MATTER)
    layers = content.number("num-layers", least=1)
    model = _read_model(content, layers)
    layout = _read_layout(content, layers)
    nodes, per_node = content.number("nnodes", 0), content.number("nproc-per-node", 0)
    recipe = _read_recipe(content)
    return Found(
        model=model, layout=layout, recipe=recipe, gpus=nodes * per_node or None,
        gpus_per_node=per_node or None, steps=_steps(content),
        replica_batch=None if "global_batch" in recipe else layout["micro_batch"],
        notes=[*_vocabulary_note(content, model), *script.notes()],
        ignored=[*content.ignored(), *(f"{name} ({word})" for name, word in unread.items() if name not in _NO_MATTER)],
    )  # fmt: skip


_NAME = re.compile(r"--[a-z][a-z0-9_-]*(=.*)?", re.DOTALL)


def _words(text: str) -> list[str]:
    if len(text) > _LONGEST:
        raise InputError(f"longer than {_LONGEST:,} characters: not a list of arguments")
    try:
        words = shlex.split(text.replace("\\\n", " "), comments=True)
    except ValueError as error:
        raise InputError(f"not a list of arguments ({error})") from None
    if len(words) > _MOST_TOKENS:
        raise InputError(f"{len(words):,} words: not a list of arguments")
    return words


def _options(script: Script) -> tuple[dict[str, Any], dict[str, str]]:
    """(values by name without dashes, what stands in the place of a value that the script does not tell)."""
    options: dict[str, Any] = {}
    unread: dict[str, str] = {}
    words, at = script.words, 0
    while at < len(words):
        word = words[at]
        at += 1
        if not _NAME.fullmatch(word):
            continue
        name, equals, value = word[2:].partition("=")
        name = name.replace("_", "-")
        if not equals and at < len(words) and not words[at].startswith("--") and name not in _FLAGS:
            equals, value = "=", words[at]
            at += 1
        told = script.told(value) if name not in _NO_MATTER else value
        if told is None:
            unread[name] = shorten(value)
            options.pop(name, None)
        else:
            options[name] = _plain(told) if equals else True
    return options, unread


_FLAGS = frozenset({
    "swiglu", "squared-relu", "disable-bias-linear", "add-qkv-bias", "qk-layernorm", "sequence-parallel", "bf16",
    "fp16", "untie-embeddings-and-output-weights", "use-distributed-optimizer", "use-megatron-fsdp",
    "group-query-attention", "accumulate-allreduce-grads-in-fp32", "optimizer-cpu-offload", "mock-data",
    "use-precision-aware-optimizer",
    "grad-reduce-in-bf16", "multi-latent-attention",
    "use-rotary-position-embeddings", "use-flash-attn", "use-torch-fsdp2", "recompute-activations",
    "account-for-embedding-in-pipeline-split", "account-for-loss-in-pipeline-split",
})  # fmt: skip


def _plain(text: str) -> Any:
    if re.fullmatch(r"-?\d{1,18}", text):
        return int(text)
    try:
        return float(text) if re.fullmatch(r"-?[\d.]{1,30}(e-?\d{1,3})?", text, re.IGNORECASE) else text
    except ValueError:
        return text


def _read_model(content: Content, layers: int) -> dict[str, Any]:
    hidden, heads = content.number("hidden-size", least=1), content.number("num-attention-heads", least=1)
    swiglu, squared = content.flag("swiglu"), content.flag("squared-relu")
    ffn = content.number("ffn-hidden-size", int(4 * hidden * 2 / 3 / 64) * 64 if swiglu else 4 * hidden, least=1)
    bias, norm = not content.flag("disable-bias-linear"), content.word("normalization", "LayerNorm")
    norms = {word: name for name, word in _NORMS.items()}
    if norm not in norms:
        raise InputError(f"normalization: {shorten(norm)!r} is not one of {', '.join(norms)}")
    positions = {word: name for name, word in _POSITIONS.items()}
    told = "rope" if content.flag("use-rotary-position-embeddings") else "learned_absolute"
    model = {
        "layers": layers, "hidden": hidden, "heads": heads,
        "kv_heads": content.number("num-query-groups", heads, least=1),
        "head_dim": content.number("kv-channels", max(1, hidden // heads), least=1), "ffn": ffn,
        "activation": "swiglu" if swiglu else "squared-relu" if squared else "gelu",
        "tied_embeddings": not content.flag("untie-embeddings-and-output-weights"),
        "norm": norms[norm], "norm_bias": norm == "LayerNorm", "qk_norm": content.flag("qk-layernorm"),
        "positions": content.one_of("position-embedding-type", positions, told),
        "max_sequence": content.number("max-position-embeddings", least=1),
        "qkv_bias": bias or content.flag("add-qkv-bias"), "output_bias": bias, "ffn_bias": bias, "source": TITLE,
    }  # fmt: skip
    if content.has("vocab-size"):
        model["vocabulary"] = content.number("vocab-size", least=1)
    elif (tokenizer := content.word("tokenizer-type", _TOKENIZER)) in _VOCABULARIES:
        model["vocabulary"] = _VOCABULARIES[tokenizer]
    if content.flag("multi-latent-attention"):
        model |= _read_latent(content, heads)
    experts = content.number("num-experts", 0)
    return {**model, **(_read_experts(content, experts, layers, ffn) if experts else {})}


def _vocabulary_note(content: Content, model: dict[str, Any]) -> list[str]:
    if content.has("vocab-size") or "vocabulary" not in model:
        return []
    return [f"vocab-size: {model['vocabulary']:,}, as {content.word('tokenizer-type', _TOKENIZER)} has"]


def _read_latent(content: Content, heads: int) -> dict[str, Any]:
    """Multi-head latent attention; `qk-layernorm` is the norms of its latents, and widths have Megatron's defaults."""
    content.known("kv-channels", "rope-type")
    rotary = content.number("qk-pos-emb-head-dim", 64, least=1)
    return {
        "kv_heads": heads, "head_dim": content.number("qk-head-dim", 128, least=1) + rotary, "rotary_dim": rotary,
        "latent_rank": content.number("kv-lora-rank", 32, least=1), "query_rank": content.number("q-lora-rank", 0),
        "value_dim": content.number("v-head-dim", 128, least=1), "qk_norm": False,
    }  # fmt: skip


def _read_experts(content: Content, experts: int, layers: int, ffn: int) -> dict[str, Any]:
    width = content.number("moe-ffn-hidden-size", ffn, least=1)
    shared = content.number("moe-shared-expert-intermediate-size", 0)
    if shared % width:
        raise InputError(f"moe-shared-expert-intermediate-size: {shared} is no multiple of the expert width {width}")
    pattern = content.value("moe-layer-freq", 1)
    match = re.fullmatch(r"\(?\[0\](?:\*(\d{1,5}))?\+\[1\](?:\*(\d{1,5}))?\)?", str(pattern).replace(" ", ""))
    dense, mixed = (int(one or 1) for one in match.groups()) if match else (0, layers)
    if not match and pattern != 1:
        raise InputError(f"moe-layer-freq: {shorten(pattern)!r} is not dense layers first, then mixtures")
    if dense + mixed != layers:
        raise InputError(f"moe-layer-freq: {shorten(pattern)!r} does not name {layers} layers")
    return {
        "experts": experts, "experts_per_token": content.number("moe-router-topk", 2, least=1), "expert_ffn": width,
        "shared_experts": shared // width, "dense_layers": dense,
    }  # fmt: skip


def _read_recipe(content: Content) -> dict[str, Any]:
    half, bf16 = content.flag("fp16"), content.flag("bf16")
    precision = "fp16" if half else "bf16" if bf16 else "fp32"
    if content.has("fp8-format"):
        precision = "mxfp8" if content.value("fp8-recipe") == "mxfp8" else "fp8"
    if content.has("fp4-format"):
        precision = "nvfp4"
    told, halved = content.flag("accumulate-allreduce-grads-in-fp32"), content.flag("grad-reduce-in-bf16")
    full = told or not (half or halved)  # bf16 is reduced in fp32 unless told otherwise (validate_args)
    optimizers = {word: name for name, word in _OPTIMIZERS.items()}
    dropout = [content.value(f"{kind}-dropout", 0.1) for kind in ("attention", "hidden")]
    recipe = {
        "sequence_length": content.number("seq-length", least=1),
        "precision": precision,
        "master_weights": True, "gradient_bytes": 4 if full else 2,
        "optimizer": content.one_of("optimizer", optimizers, "adam"),
        "attention": "unfused" if content.value("attention-backend") in ("unfused", "local") else "flash",
        "causal": True, "dropout": any(isinstance(one, int | float) and one > 0 for one in dropout),
        "expert_capacity": content.value("moe-expert-capacity-factor"), "framework": "megatron-core",
    }  # fmt: skip
    if content.has("global-batch-size"):
        recipe["global_batch"] = content.number("global-batch-size", least=1)
    if content.has("train-samples"):
        recipe["tokens"] = content.number("train-samples", least=1) * recipe["sequence_length"]
    return recipe


def _steps(content: Content) -> int | None:
    return content.number("train-iters", least=1) if content.has("train-iters") else None


def _read_layout(content: Content, layers: int) -> dict[str, Any]:
    tp, pp = (content.number(f"{kind}-model-parallel-size", 1, least=1) for kind in ("tensor", "pipeline"))
    virtual = content.number("num-virtual-stages-per-pipeline-rank", 1, least=1)
    if content.has("num-layers-per-virtual-pipeline-stage"):
        virtual = max(1, layers // pp // content.number("num-layers-per-virtual-pipeline-stage", least=1))
    content.known("account-for-embedding-in-pipeline-split", "account-for-loss-in-pipeline-split")
    content.known("decoder-first-pipeline-num-layers", "decoder-last-pipeline-num-layers")
    layout: dict[str, Any] = {
        "tp": tp, "pp": pp, "virtual_stages": virtual, "cp": content.number("context-parallel-size", 1, least=1),
        "ep": content.number("expert-model-parallel-size", 1, least=1),
        "sequence_parallel": content.flag("sequence-parallel"), "zero_stage": _zero_stage(content),
        "micro_batch": content.number("micro-batch-size", least=1),
        "optimizer_offload": content.flag("optimizer-cpu-offload"),
        "context_exchange": content.one_of(
            "cp-comm-type", {word: name for name, word in _EXCHANGES.items()}, "p2p"
        ),
    }  # fmt: skip
    instances = content.number("num-distributed-optimizer-instances", 1, least=1)
    gpus = content.number("nnodes", 0) * content.number("nproc-per-node", 0)
    if instances > 1 and gpus:
        layout["zero_group"] = max(1, gpus // (tp * pp) // instances)
    recompute = content.one_of(
        "recompute-granularity", {"none": "none", "selective": "selective", "full": "full"},
        "selective" if content.flag("recompute-activations") else "none",
    )  # fmt: skip
    layout["recompute"] = recompute
    if recompute == "full" and content.value("recompute-method") == "block":
        stage, told = -(-layers // pp), content.number("recompute-num-layers", 1, least=1) * virtual
        layout["recompute_layers"] = None if told >= stage else told
    else:
        content.known("recompute-num-layers")
    return layout


def _zero_stage(content: Content) -> int:
    strategy = int(content.one_of("data-parallel-sharding-strategy", _STRATEGIES, "optim_grads_params"))
    if content.flag("use-megatron-fsdp"):
        return strategy
    if content.flag("use-torch-fsdp2"):
        return 3
    return 1 if content.flag("use-distributed-optimizer") else 0
