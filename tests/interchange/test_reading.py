"""Other programs' configs as their own repositories ship them, and what is said of broken ones."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from planner.counting import parameters
from planner.errors import InputError
from planner.interchange import formats
from planner.interchange.script import Script
from planner.plan.file import load

LLAMA3_8B = """
[job]
dump_folder = "./outputs"
[model]
name = "llama3"
flavor = "8B"
hf_assets_path = "./assets/hf/Llama-3.1-8B"
[optimizer]
name = "AdamW"
lr = 3e-4
[training]
local_batch_size = 1
global_batch_size = 64
seq_len = 8192
steps = 1000
[parallelism]
data_parallel_shard_degree = 8
tensor_parallel_degree = 2
[activation_checkpoint]
mode = "selective"
selective_ac_option = "op"
[compile]
enable = true
[something]
new = 1
"""
GPT3_MEGATRON = """
#!/bin/bash
# after Megatron-LM's examples/gpt3/train_gpt3_175b_distributed.sh
GPUS_PER_NODE=8
LAYERS=${LAYERS:-96}
CHECKPOINT_PATH=$1
GPT_MODEL_ARGS=(
    --num-layers $LAYERS
    --hidden-size 12288
    --num-attention-heads 96
    --seq-length 2048
    --max-position-embeddings 2048
    --vocab-size 51200
)
TRAINING_ARGS=(
    --micro-batch-size 1 --global-batch-size 1536 --train-iters 500000 --weight-decay 0.1 --fp16
    --lr 6.0e-5 --adam-beta2 0.95 --some-new-flag
    --some-new-path $CHECKPOINT_PATH --load $CHECKPOINT_PATH)
torchrun --nproc_per_node $GPUS_PER_NODE --nnodes $((128/GPUS_PER_NODE)) pretrain_gpt.py ${GPT_MODEL_ARGS[@]} \\
   --tensor-model-parallel-size 8 --pipeline-model-parallel-size 16
"""
ZERO_2 = """{"train_batch_size": 512, "train_micro_batch_size_per_gpu": 4, "gradient_accumulation_steps": 16,
 "bf16": {"enabled": true}, "zero_optimization": {"stage": 2, "offload_optimizer": {"device": "cpu"}},
 "gradient_clipping": "auto", "curriculum": {"enabled": true}}"""
TINY_LLAMA = """
general: {project: debug, run: tiny_llama, seed: 42}
model:
  dtype: bfloat16
  init_method: {std: 0.025}
  model_config:
    hidden_size: 2048
    intermediate_size: 5632
    num_hidden_layers: 22
    num_attention_heads: 32
    num_key_value_heads: 4
    vocab_size: 32000
    max_position_embeddings: 2048
    hidden_act: silu
    is_llama_config: true
parallelism: {dp: 4, pp: 1, tp: 2, pp_engine: 1f1b, tp_mode: REDUCE_SCATTER}
tokens: {batch_accumulation_per_replica: 8, micro_batch_size: 2, sequence_length: 2048, train_steps: 1000}
optimizer: {zero_stage: 1, accumulate_grad_in_fp32: true, weight_decay: 0.1, clip_grad: 1.0}
"""


def take(text: str, name: str, folder: Path, base: str = "llama-2-7b") -> tuple[object, list[str]]:
    path = folder / name
    path.write_text(text, "utf-8")
    return formats.read(path, None, load(base))


def test_torchtitans_llama_3_is_the_shipped_model_in_the_files_layout(tmp_path: Path) -> None:
    plan, notes = take(LLAMA3_8B, "llama3_8b.toml", tmp_path)
    assert parameters.of_model(plan.model).total == 8_030_261_248
    assert (plan.dp, plan.layout.tp, plan.layout.zero_stage, plan.cluster.gpus) == (8, 2, 3, 16)
    assert plan.recipe.tokens == 1000 * 64 * 8192 and plan.recipe.framework == "torchtitan"
    assert "ignored: something.new" in notes
    assert any("cluster.accelerator" in note and "llama-2-7b" in note for note in notes)


def test_megatrons_script_is_gpt_3_and_what_its_variables_say_is_told(tmp_path: Path) -> None:
    plan, notes = take(GPT3_MEGATRON, "train_gpt3.sh", tmp_path, "gpt3-175b")
    assert (plan.model.layers, plan.model.hidden, plan.layout.tp, plan.layout.pp) == (96, 12288, 8, 16)
    assert plan.recipe.precision == "fp16" and plan.recipe.tokens == 500_000 * 1536 * 2048
    [ignored] = [note for note in notes if note.startswith("ignored")]
    assert ignored == "ignored: some-new-flag, some-new-path ($CHECKPOINT_PATH)"
    assert "variables as the script sets them: LAYERS=96, GPUS_PER_NODE=8" in notes and plan.cluster.gpus == 128
    assert parameters.of_model(plan.model).total == pytest.approx(175e9, rel=0.01)


def test_a_batch_that_the_file_leaves_to_its_ranks_follows_from_the_plans_gpus_and_says_so(tmp_path: Path) -> None:
    left = LLAMA3_8B.replace("global_batch_size = 64\n", "").replace("shard_degree = 8", "shard_degree = -1")
    plan, notes = take(left, "llama3_8b.toml", tmp_path)
    assert plan.recipe.global_batch == 256 // 2 and plan.cluster.gpus == 256
    assert "recipe.global_batch: 1 a rank on 128 data-parallel ranks" in notes
    script = GPT3_MEGATRON.replace("--global-batch-size 1536", "").replace("--vocab-size 51200", "")
    plan, notes = take(script.replace("LAYERS:-96", "LAYERS:-48"), "a.sh", tmp_path, "gpt3-175b")
    assert plan.recipe.global_batch == 1 and plan.model.vocabulary == 50_257 and plan.model.layers == 48
    assert "vocab-size: 50,257, as GPT2BPETokenizer has" in notes
    script = script.replace("--fp16", "--tokenizer-type HuggingFaceTokenizer")
    plan, notes = take(script, "a.sh", tmp_path, "llama-3.1-8b")
    assert plan.model.vocabulary == 128_256 and any("model.vocabulary (128,256)" in note for note in notes)


@pytest.mark.parametrize(("script", "told"), [
    ("A=4\nexport A=4\n$A", "4"), ("A=4\nA=5\n$A", None), ("A=${A:-4}\n${A}", "4"), ("A=${1:-4}\n$A", "4"),
    ("$A", None), ("A=$B\nB=$A\n$A", None), ("N=3\n$(($N*8))", "24"), ("N=3\n$((N*8/0))", None),
    ("N=3\n$((N-1))", None), ("A=$B$B\nB=$C$C\nC=" + "x" * 150 + "\n$A", None), ("A=(--b 1)\n$A", None),
    ("A=$(rm -rf ~)\n$A", None), ("A=3\nx${A}y", "x3y"),
])  # fmt: skip
def test_a_variable_stands_for_the_one_value_that_its_script_tells(script: str, told: str | None) -> None:
    words = shlex.split(script)
    assert Script(words).told(words[-1]) == told


def test_options_are_found_in_arrays_and_strings_and_a_choice_among_them_is_told() -> None:
    script = Script(
        shlex.split("""A=(--bf16 --lr 1)\nif [ $X ]; then B=" --swiglu --hidden-size 8 "; fi\nC+=("--e 2")""")
    )
    assert [word for word in script.words if word.startswith("--")] == [
        "--bf16", "--lr", "--swiglu", "--hidden-size", "--e",
    ]  # fmt: skip
    assert script.notes() == ["the script's conditions are not followed: options of every branch are read"]


def test_deepspeeds_batch_tells_the_ranks_and_the_rest_is_the_base_plans(tmp_path: Path) -> None:
    plan, notes = take(ZERO_2, "ds_config.json", tmp_path)
    assert (plan.dp, plan.layout.zero_stage, plan.layout.micro_batch) == (8, 2, 4)
    assert plan.layout.optimizer_offload and plan.model.name == "llama-2-7b"
    assert any("curriculum.enabled" in note for note in notes) and any("layout.pp" in note for note in notes)


def test_nanotrons_config_is_tiny_llama(tmp_path: Path) -> None:
    plan, _ = take(TINY_LLAMA, "config_tiny_llama.yaml", tmp_path)
    assert parameters.of_model(plan.model).total == 1_100_048_384  # TinyLlama-1.1B's safetensors
    assert plan.layout.sequence_parallel and plan.recipe.global_batch == 64 and plan.cluster.gpus == 8


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "[model]\nflavor = '8B'\n[parallelism]\ntensor_parallel_degree = 'two'",
         "parallelism.tensor_parallel_degree"),
        ("a.toml", "[parallelism]\n[model]\nname = 'llama9'", "model.name"),
        ("a.toml", "[parallelism]\n[model]\nflavor = '9B'", "did you mean|8B"),
        ("a.toml", LLAMA3_8B.replace("[optimizer]", "converters = ['fp4']\n[optimizer]"), "model.converters: 'fp4'"),
        ("a.sh", "--num-layers $LAYERS --hidden-size 8", r"num-layers: the script tells no value of \$LAYERS"),
        ("a.sh", "pretrain_bert.py --num-layers 2 --hidden-size 8", "pretrain_bert.py: only"),
        ("a.sh", "--num-layers 4 --hidden-size 0", "hidden-size"),
        ("a.sh", "--num-layers 4 --hidden-size 64 'unclosed", "arguments"),
        ("a.json", '{"train_batch_size": 7, "train_micro_batch_size_per_gpu": 2, "gradient_accumulation_steps": 2}',
         "train_batch_size"),
        ("a.json", '{"train_batch_size": "many"}', "train_batch_size"),
        ("a.yaml", "model_config: &a [1]\nparallelism: [*a, *a]", "aliases"),
        ("a.yaml", "parallelism: 1\nmodel_config: !!python/object/apply:os.system [ls]", "YAML"),
        ("a.yaml", "parallelism: {tp: 1}\nmodel: {model_config: {}}", "is missing"),
        ("a.toml", "nothing = 1", "no training config that is known"),
    ],
)  # fmt: skip
def test_a_broken_config_is_an_error_that_names_file_and_key(name: str, text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said) as error:
        take(text, name, tmp_path)
    assert str(tmp_path / name) in str(error.value)


def test_gpus_that_fill_no_node_are_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--onto"):
        take(LLAMA3_8B.replace("degree = 8", "degree = 5"), "a.toml", tmp_path)
    small, _ = take(LLAMA3_8B.replace("degree = 8", "degree = 1"), "b.toml", tmp_path)
    assert (small.cluster.nodes, small.cluster.gpus_per_node) == (1, 2)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "parallelism: " + "[" * 8000 + "\nmodel_config: 1"),
        ("a.yaml", "parallelism:\nmodel_config:\n" + "- a: b\n" * 70_000),
        ("a.toml", "[parallelism]\na=" + "[" * 100_000),
        ("a.json", '{"train_batch_size":' + "[" * 100_000),
        ("a.sh", "--num-layers 4 --hidden-size " + "a " * 100_000),
    ],
    ids=["deep yaml", "long yaml", "deep toml", "deep json", "many words"],
)
def test_a_file_made_to_exhaust_its_reader_is_an_error(name: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=name):
        take(text, name, tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "[job]\nsteps = " + "9" * 5000, "no training config"),
        ("a.toml", "[job]\n" + "a." * 100_000 + "b = 1", "no training config"),
        ("a.sh", "--num-layers 1 --hidden-size " + "x" * 400_000, "longer than"),
    ],
    ids=["digits", "dotted key", "word"],
)
def test_what_would_keep_a_parser_busy_is_refused_at_once(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        take(text, name, tmp_path)
