"""The shipped text is what it says, and what is held out is nowhere in what is trained on."""

from __future__ import annotations

import bz2
import json
from pathlib import Path

import pytest

from planner import library
from planner.errors import InputError, UnknownNameError
from planner.quality.ladder import text


def test_every_shipped_text_tells_source_and_licence_and_keeps_its_checksum() -> None:
    for name in library.names("texts"):
        found = text.read(name)
        about = library.read_json(library.paths("texts")[name])
        assert len(found.content.encode()) == about["bytes"] >= 1_000_000
        assert found.source and found.licence and about["as_of"]


def test_parts_and_blocks_in_turn_are_the_text() -> None:
    content = text.read().content
    trained, held_out = text.divide(content)
    woven = "".join(part + block for part, block in zip(trained, [*held_out, ""], strict=True))
    assert woven == content and len(held_out) == text.HELD_OUT_BLOCKS
    assert all(block.endswith("\n") for block in held_out)
    assert 0.015 < sum(map(len, held_out)) / len(content) < 0.025


def test_no_long_stretch_of_what_is_held_out_is_trained_on() -> None:
    trained, held_out = text.divide(text.read().content)
    seen = "\0".join(trained)
    stretches = [block[at : at + 100] for block in held_out for at in range(0, len(block) - 100, 400)]
    assert len(stretches) > 200
    assert sum(stretch in seen for stretch in stretches) == 0


def test_a_text_without_lines_is_divided_too() -> None:
    trained, held_out = text.divide("word " * 40_000)
    assert "".join(held_out) and len("".join(trained)) + len("".join(held_out)) == 200_000


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    raw, short = tmp_path / "raw.txt", tmp_path / "short.txt"
    raw.write_bytes(b"\xff\xfe" * 100_000)
    short.write_text("too short")
    for name, message in ((raw, "UTF-8"), (short, "at least"), (tmp_path / "none.txt", "no such file")):
        with pytest.raises(InputError, match=message):
            text.read(str(name))
    with pytest.raises(UnknownNameError, match="shakespeare"):
        text.read("shakespear")


@pytest.mark.parametrize(
    ("about", "packed", "said"),
    [
        ({"name": "bomb", "file": "b.bz2"}, b"", "sha256, source, licence must be a text"),
        ({"file": "../b.bz2"}, b"", "a name beside it"),
        ({}, b"BZh9 no more", "not a whole bzip2 file"),
        ({}, bz2.compress(bytes(200 * 2**20)), "another checksum"),
    ],
    ids=["fields missing", "another folder", "torn", "a bomb of 200 MiB"],
)
def test_a_packed_text_of_ones_own_is_unpacked_within_bounds(
    about: dict[str, str], packed: bytes, said: str, user_folder: Path
) -> None:
    whole = {"name": "b", "file": "b.bz2", "sha256": "0", "source": "s", "licence": "l"}
    (user_folder / "texts").mkdir()
    (user_folder / "texts" / "b.bz2").write_bytes(packed)
    (user_folder / "texts" / "b.json").write_text(json.dumps(about if len(about) == 2 else whole | about))
    with pytest.raises(InputError, match=said):
        text.read("b")
