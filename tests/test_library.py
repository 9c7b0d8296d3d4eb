"""Reading shipped and own files by name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from planner import library
from planner.errors import InputError, UnknownNameError
from planner.interchange import formats
from planner.plan import file, shipped
from planner.quality import laws, points
from planner.quality.ladder import text as ladder_text
from planner.timing import profile
from planner.validation import run_table


def test_a_name_is_found_however_it_is_spaced_and_cased() -> None:
    for spelling in ("RTX 4090", "rtx-4090", "Rtx_4090"):
        assert library.read("accelerators", spelling)["name"] == "RTX 4090"


def test_an_unknown_name_is_quoted_with_the_nearest_known_ones() -> None:
    with pytest.raises(UnknownNameError) as caught:
        library.read("accelerators", "H100-SMX")
    assert "'H100-SMX'" in str(caught.value)
    assert any("H100" in name for name in caught.value.suggestions)


def test_the_beginning_of_a_name_suggests_what_begins_so() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown accelerator 'H100'; did you mean .*H100-80GB-SXM"):
        library.read("accelerators", "H100")
    with pytest.raises(UnknownNameError, match=r"known: .* and \d+ more$"):
        library.read("models", "zzzzzz")


def test_an_endless_or_strange_name_is_an_unknown_one_told_briefly() -> None:
    for name in ("x" * 100_000, "../../etc/passwd", "", "\0", "/dev/zero"):
        with pytest.raises(UnknownNameError) as caught:
            library.read("models", name)
        assert len(str(caught.value)) < 600


def test_the_users_own_file_wins_over_the_shipped_one_of_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINPLAN_HOME", str(tmp_path))
    own = json.loads((library.SHIPPED / "plans" / "gpt2.json").read_text("utf-8")) | {"notes": "mine"}
    (tmp_path / "plans").mkdir(parents=True)
    (tmp_path / "plans" / "GPT2.json").write_text(json.dumps(own), "utf-8")
    assert file.load("gpt2").notes == "mine"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "not a whole JSON file"),
        (b"", "not a whole JSON file"),
        (b"[1, 2]", "holds a list"),
        (b"\xff\xfe\x00", "not a whole JSON file"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 1_000_000 + b"}", "not a whole JSON file"),
    ],
    ids=["open brace", "empty", "a list", "not UTF-8", "deep lists", "deep objects", "a million digits"],
)
def test_a_broken_file_is_named_with_what_is_wrong_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        library.read_json(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1 and len(str(caught.value)) < 400


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.json", tmp_path):
        with pytest.raises(InputError, match="cannot be read") as caught:
            library.read_json(path)
        assert str(path) in str(caught.value)


def test_a_file_without_end_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as stream:
        stream.truncate(10 * 2**30)
    with pytest.raises(InputError, match="larger than 64 MiB"):
        library.read_json(path)


@pytest.mark.parametrize(
    "read",
    [
        library.read_json, lambda path: laws.law(f"{path.parent}/./{path.name}"), profile.load, points.read,
        run_table.read, lambda path: ladder_text.read(str(path)),
        lambda path: formats.read(path, None, file.load("gpt2")),
    ],
    ids=["json", "law", "profile", "points", "runs", "text", "config"],
)  # fmt: skip
@pytest.mark.skipif(os.name != "posix", reason="Windows has neither")
def test_what_is_no_file_is_refused_before_it_is_opened(read: Callable[[Path], object], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(InputError, match="is a device or a pipe"):
            read(path)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="of Linux")
def test_a_file_longer_than_it_says_is_not_read_on(tmp_path: Path) -> None:
    status = Path("/proc/self/status")  # says that it has no bytes
    with pytest.raises(InputError, match="larger than 1 KiB"):
        library.read_bytes(status, 1024)


def test_a_text_is_the_same_whichever_editor_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\r\n1,2\r")
    assert library.read_text(path) == "a,b\n1,2\n"


def test_an_unknown_grid_region_is_an_error_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="us-average"):
        library.grid("us-avrage")


def test_what_a_name_stands_for_changes_with_its_file(user_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = user_folder / "models" / "my-model.json"
    own.parent.mkdir()
    content = {**library.read("models", "gpt2"), "name": "my model"}
    for layers in (3, 14):
        own.write_text(json.dumps({**content, "layers": layers}))
        assert shipped.model("my model").layers == layers
    assert "my model" in library.names("models")
    own.unlink()
    with pytest.raises(UnknownNameError):
        shipped.model("my model")


def test_a_thing_is_found_by_the_name_inside_its_file_and_its_mistakes_name_the_file(user_folder: Path) -> None:
    folder = user_folder / "fabrics"
    folder.mkdir()
    (folder / "mine.json").write_text('{"name": "B\\u00fcro 10", "bits_per_s_per_gpu": "10 Gb/s"}', "utf-8")
    assert shipped.fabric("Büro 10").bits_per_s_per_gpu == 1e10 and "Büro 10" in library.names("fabrics")
    (folder / "gone.json").symlink_to(folder / "nowhere.json")
    assert "gone" in library.names("fabrics"), "asked for by its name it is told that it cannot be read"
    (folder / "mine.json").write_text('{"name": "Büro 10", "bits": 3}', "utf-8")
    with pytest.raises(InputError) as caught:
        shipped.fabric("Büro 10")
    assert [line.partition(": ")[0] for line in str(caught.value).splitlines()] == [str(folder / "mine.json")] * 2


def test_a_file_whose_name_is_no_slug_is_found_too(user_folder: Path) -> None:
    own = user_folder / "models" / "My Model.json"
    own.parent.mkdir()
    own.write_text(json.dumps({**library.read("models", "gpt2"), "name": "My Model", "layers": 3}))
    assert shipped.model("my-model").layers == 3
