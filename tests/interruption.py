"""A fit that is killed on its way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest


class InterruptedFitError(Exception):
    """Stands for a kill."""


@contextmanager
def interrupted(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, loss: str, calls: int
) -> Iterator[None]:
    """Inside, this loss of a module can be found so many times; the next call kills the fit."""
    whole, done = getattr(module, loss), list[int]()

    def killed(*arguments: Any) -> Any:
        done.append(1)
        if len(done) > calls:
            raise InterruptedFitError
        return whole(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, loss, killed)
        with pytest.raises(InterruptedFitError):
            yield
