"""The progress of a fit: its epochs, its losses and the time left."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from sbipipe.interfaces import Run
from sbipipe.progress import counting


class Bar:
    """Tells the open stage, if there is one, how far a fit is.

    Args:
        run: The run around the fit.
        label: The learning curve's name.
        epochs: The largest number of epochs.
    """

    def __init__(self, run: Run, label: str, epochs: int) -> None:
        self.counting = counting(label, epochs, "epochs", most=True)
        self.stack = ExitStack()

    def __enter__(self) -> Callable[[int, dict[str, list[float]]], None]:
        self.advance = self.stack.enter_context(self.counting)
        return self._advance

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def _advance(self, epoch: int, curve: dict[str, list[float]]) -> None:
        shown = ("train", "valid", "score") if "score" in curve else ("train", "valid")
        losses = "  ".join(f"{name} {curve[name][-1]:.4f}" for name in shown) if epoch else ""
        self.advance(epoch, losses)


__all__ = ["Bar"]
