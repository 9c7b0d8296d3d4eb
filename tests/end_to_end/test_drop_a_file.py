"""A file is dropped on the window: a plan opens, a Hugging Face config becomes the model, anything else is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication

from planner.plan import file

MISTRAL = {
    "architectures": ["MistralForCausalLM"], "model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000,
    "max_position_embeddings": 32768, "sliding_window": 4096, "hidden_act": "silu", "tie_word_embeddings": False,
    "an_unknown_field": 7,
}  # fmt: skip


def drop(window: object, qtbot: object, *paths: Path) -> bool:
    """Whether the window takes it; the drop itself then happens as the desktop would do it."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    buttons = (Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    enter = QDragEnterEvent(QPointF(9, 9).toPoint(), Qt.DropAction.CopyAction, mime, *buttons)
    enter.ignore()
    QApplication.sendEvent(window, enter)
    if enter.isAccepted():
        QApplication.sendEvent(window, QDropEvent(QPointF(9, 9), Qt.DropAction.CopyAction, mime, *buttons))
        qtbot.wait(30)
    return enter.isAccepted()


def test_a_config_fills_the_model_as_one_step_and_lists_what_was_ignored(
    window: object, qtbot: object, tmp_path: Path
) -> None:
    before = window.document.plan
    (tmp_path / "config.json").write_text(json.dumps(MISTRAL))
    assert drop(window, qtbot, tmp_path / "config.json")
    model = window.document.plan.model
    assert (model.kv_heads, model.ffn, model.layers) == (8, 14336, 32)
    assert "an_unknown_field" in window.notice.text
    window.document.undo()
    assert window.document.plan == before


def test_a_plan_opens(window: object, qtbot: object, tmp_path: Path) -> None:
    plan = file.load("gpt2")
    file.save(plan, tmp_path / "small.json")
    assert drop(window, qtbot, tmp_path / "small.json")
    assert window.document.plan == plan
    assert window.document.path == tmp_path / "small.json"


@pytest.mark.parametrize("content", ["{", "[1, 2]", '{"hello": 1}', '{"model_type": "mistral"}', "\x00\xff"])
def test_a_broken_or_foreign_file_changes_nothing_and_is_named(
    window: object, qtbot: object, tmp_path: Path, content: str
) -> None:
    before = window.document.plan
    (tmp_path / "odd.json").write_text(content, "latin-1")
    drop(window, qtbot, tmp_path / "odd.json")
    assert window.document.plan is before
    assert not window.isWindowModified()
    assert "odd.json" in window.notice.text or "is missing" in window.notice.text


def test_what_is_no_file_of_this_machine_is_not_taken(window: object, qtbot: object) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl("https://example.org/plan.json")])
    buttons = (Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    enter = QDragEnterEvent(QPointF(9, 9).toPoint(), Qt.DropAction.CopyAction, mime, *buttons)
    enter.ignore()
    QApplication.sendEvent(window, enter)
    assert not enter.isAccepted()


def test_a_training_config_becomes_the_plan_over_the_present_machines_as_one_step(
    window: object, qtbot: object, tmp_path: Path
) -> None:
    before = window.document.plan
    path = tmp_path / "zero.json"
    path.write_text(
        '{"train_batch_size": 2048, "train_micro_batch_size_per_gpu": 2, "gradient_accumulation_steps": 8,'
        ' "zero_optimization": {"stage": 3}, "bf16": {"enabled": true}}'
    )
    assert drop(window, qtbot, path)
    plan = window.document.plan
    assert (plan.layout.zero_stage, plan.dp, plan.cluster.accelerator) == (3, 128, before.cluster.accelerator)
    assert "cluster.accelerator" in window.notice.text
    window.document.undo()
    assert window.document.plan == before


def test_launch_files_are_exported_for_the_chosen_engine_and_what_they_cannot_say_is_told(
    window: object, tmp_path: Path
) -> None:
    assert window.launch_files.export(tmp_path / "run", "torchtitan TOML (*.toml)")
    assert {path.name for path in tmp_path.iterdir()} == {"run.toml", "trainplan_decoder.py"}
    assert "layout.zero_stage" in window.notice.text
    window.document.change(file.load("bert-base-cased"), "another plan")
    assert not window.launch_files.export(tmp_path / "bert", "Megatron-LM script (*.sh)")
    assert "model.architecture" in window.notice.text and not (tmp_path / "bert.sh").exists()
