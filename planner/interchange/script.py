"""The words of a shell script with the values of its variables, as far as the script itself tells them. Nothing is run.

Training scripts set variables, gather options in arrays or in long strings, and choose among them by conditions. Read
are assignments of one value (`TP=8`, `TP=${TP:-8}`, `GPUS=$((NODES*8))`) and the options wherever they stand.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

_ASSIGNED = re.compile(r"([A-Za-z_]\w*)\+?=(.*)", re.DOTALL)
_USED = re.compile(r"\$\(\(([^()]*)\)\)|\$\{(\w+)(?::?[-=]([^{}$]*))?\}|\$(\w+)")
_PRODUCT = re.compile(r"\d{1,9}(\s*[*/]\s*\d{1,9}){0,8}")
_LONGEST_VALUE, _DEEPEST, _MOST_VALUES = 200, 8, 8
_CONDITIONS = {"if", "case", "elif"}


class Script:
    """A script's words (`shlex`), those inside arrays and strings of options among them."""

    def __init__(self, words: Iterable[str]) -> None:
        self._values: dict[str, set[str]] = {}
        self._taken: dict[str, str] = {}
        self._chooses = False
        self.words = list(self._opened(words))

    def told(self, word: str) -> str | None:
        """A word with its variables' values in their places; None where the script does not tell one, or several."""
        return self._told(word, frozenset())

    def notes(self) -> list[str]:
        """What was taken from variables, and that conditions were not looked at."""
        taken = ", ".join(f"{name}={value}" for name, value in self._taken.items())
        return [
            *([f"variables as the script sets them: {taken}"] if taken else []),
            *(["the script's conditions are not followed: options of every branch are read"] * self._chooses),
        ]

    def _opened(self, words: Iterable[str]) -> Iterator[str]:
        for word in words:
            self._chooses |= word in _CONDITIONS
            if match := _ASSIGNED.fullmatch(word):
                name, value = match.groups()
                if not value.startswith("(") and " --" not in value:
                    self._values.setdefault(name, set()).add(value)
                    continue
                word = value.removeprefix("(")
            if word.count(")") > word.count("("):  # the end of an array
                word = word.removesuffix(")")
            yield from _parts(word) if " " in word and "--" in word else [word]

    def _told(self, word: str, within: frozenset[str]) -> str | None:
        if "$" not in word:
            return word
        pieces, end = [], 0
        for match in _USED.finditer(word):
            product, braced, default, bare = match.groups()
            value = self._product(product, within) if product else self._value(braced or bare, default, within)
            if value is None:
                return None
            pieces += [word[end : match.start()], value]
            end = match.end()
        made = "".join([*pieces, word[end:]])
        return made if "$" not in made and len(made) <= _LONGEST_VALUE else None

    def _value(self, name: str, default: str | None, within: frozenset[str]) -> str | None:
        """A variable's only value; while it is worked out (`TP=${TP:-8}`) it has none but the default."""
        values = self._values.get(name, set()) if name not in within else set()
        if not values:
            return default
        if len(values) > _MOST_VALUES or len(within) >= _DEEPEST:
            return None
        found = {self._told(one, within | {name}) for one in values}
        only = found.pop() if len(found) == 1 else None
        if only is not None and not within:
            self._taken[name] = only
        return only

    def _product(self, text: str, within: frozenset[str]) -> str | None:
        spelled = re.sub(r"(?<![\w$])([A-Za-z_]\w*)", r"$\1", text)
        told = (self._told(spelled, within) or "").strip()
        if not _PRODUCT.fullmatch(told):
            return None
        first, *rest = re.findall(r"[*/]?\s*\d+", told)
        result = int(first)
        for one in rest:
            number = int(one[1:])
            if one[0] == "/" and not number:
                return None
            result = result * number if one[0] == "*" else result // number
        return str(result)


def _parts(word: str) -> list[str]:
    """The words of a string of options; the string itself where it is none."""
    try:
        return shlex.split(word.replace("\\", " "), comments=True)
    except ValueError:
        return [word]
