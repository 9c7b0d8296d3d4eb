"""The base of every part of a plan: a frozen pydantic model whose fields carry title, description, unit and bounds.

The forms of the app, the JSON schema, the help of `--set` and the docs are all made from these fields, so that a field
is described once.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from planner import library, units
from planner.errors import InputError, shorten

LARGEST_COUNT = 10**18
"""Upper bound of every count: far above any plan, far below where a float loses whole numbers' meaning."""


class PlanError(InputError):
    """A plan cannot be built; `problems` lists every mistake as (field path, message)."""

    def __init__(self, where: str, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__("\n".join(f"{path or where}: {message}" for path, message in problems))


_UNPLAIN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What no text of the user's is made of: controls but tabs and line ends, and what turns the direction of writing."""


def plain(text: str) -> str:
    """The text, if it does nothing but stand there. Raises `ValueError` naming the character that does more."""
    if found := _UNPLAIN.search(text):
        does = "a terminal would obey" if found[0] < "\u2000" else "turns the direction of the text after it"
        raise ValueError(f"holds a control character (U+{ord(found[0]):04X}), which {does}; take it out")
    return text


Plain = Annotated[str, AfterValidator(plain)]
"""A text of a file that is no part of a plan."""


class Section(BaseModel):
    """A frozen part of a plan. Numeric fields take a number or an engineer's text in their unit (`2T`, `80 GiB`)."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=(),
        defer_build=True,  # a part that is only validated inside a plan needs no validator of its own
    )  # fmt: skip

    @field_validator("*", mode="before")
    @classmethod
    def _read_quantity(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name
        field = cls.model_fields[info.field_name]
        types = {field.annotation, *(type(one) if isinstance(one, int) else one for one in get_args(field.annotation))}
        if isinstance(value, str) and str not in types and types & {int, float}:
            if type(None) in types and value.strip().lower() in ("", "none", "auto"):
                return None
            try:
                value = units.parse(value, unit_of(cls, info.field_name))
            except InputError as error:
                raise ValueError(str(error)) from None
        if isinstance(value, str):
            plain(value)
        if isinstance(value, bool) and bool not in types and types & {int, float}:
            raise ValueError("a number is needed, not true or false")
        if isinstance(value, float) and int in types and float not in types and value.is_integer():
            return int(value)
        return value


def unit_of(section: type[BaseModel], field_name: str) -> str:
    """The unit a field is kept in, empty for pure numbers, names and choices."""
    extra = section.model_fields[field_name].json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""


def quantity(
    title: str,
    description: str,
    unit: str = "",
    *,
    default: Any = ...,
    ge: float | None = None,
    gt: float | None = None,
    lt: float | None = None,
    le: float | None = LARGEST_COUNT,
    advanced: bool = False,
) -> Any:
    """A numeric field; `advanced` fields are folded away in the forms."""
    return Field(
        default, title=title, description=description, ge=ge, gt=gt, lt=lt, le=None if lt is not None else le,
        json_schema_extra={"unit": unit, "advanced": advanced},
    )  # fmt: skip


def choice(title: str, description: str, *, default: Any = ..., advanced: bool = False) -> Any:
    """A field that is one of a few words, or true or false."""
    return Field(default, title=title, description=description, json_schema_extra={"unit": "", "advanced": advanced})


def words(title: str, description: str, *, default: Any = "", max_length: int = 2000, advanced: bool = False) -> Any:
    """A field of free text: a name, a source, a note."""
    return Field(
        default, title=title, description=description, max_length=max_length,
        json_schema_extra={"unit": "", "advanced": advanced},
    )  # fmt: skip


def read_by_name(kind: str, value: Any) -> Any:
    """A name replaced by the content of its file, anything else as it is. For validators of mode `before`."""
    if not isinstance(value, str):
        return value
    try:
        return library.read(kind, value)
    except InputError as error:
        raise ValueError(str(error)) from None


SomeSection = TypeVar("SomeSection", bound=Section)


def part(section: type[SomeSection], data: dict[str, Any], where: str) -> SomeSection:
    """`model_validate` of a plan or a part of one, with every mistake as (field path, plain message)."""
    try:
        return section.model_validate(data)
    except ValidationError as error:
        raise PlanError(where, [_problem(item) for item in error.errors(include_url=False)]) from None
    except RecursionError:
        raise InputError(f"{where}: nested too deeply to be a plan") from None


def _problem(item: Any) -> tuple[str, str]:
    path = ".".join(str(part) for part in item["loc"])
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "missing":
        message = "is missing"
    elif item["type"] == "extra_forbidden":
        message = "is not a field here; remove it or check its spelling"
    elif item["type"] == "model_type":
        message = f"a section {{…}} of fields is needed, not {shorten(repr(item['input']))}"
    elif item["type"] not in ("value_error",):
        message = f"{message} (got {shorten(item['input'])!r})"
    return path, message[0].lower() + message[1:]
