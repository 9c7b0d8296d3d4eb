"""A module that is called as the function of its own name: `from planner import estimate; estimate(plan)`.

The package's entry points `estimate` and `search` are modules too, and once a module is imported, its name in the
package is the module. Python lets a module's class be set for this (data model, "Customizing module attribute access").
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


class CallableModule(ModuleType):
    """Calling the module calls its function of the same name."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._function(*arguments, **options)

    @property
    def __signature__(self) -> inspect.Signature:
        """The function's, for help and completion."""
        return inspect.signature(self._function)

    @property
    def _function(self) -> Callable[..., Any]:
        return getattr(self, self.__name__.rpartition(".")[2])  # type: ignore[no-any-return]


def make_callable(name: str) -> None:
    """Let the module of this name be called."""
    sys.modules[name].__class__ = CallableModule
