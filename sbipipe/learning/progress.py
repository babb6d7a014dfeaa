"""The progress of a fit, on the terminal."""

from __future__ import annotations

from collections.abc import Callable

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from sbipipe.interfaces import Run


class Bar:
    """A progress bar with the losses and the time left; silent where none is wanted."""

    def __init__(self, run: Run, label: str, epochs: int) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} epochs  {task.fields[losses]}"),
            TimeRemainingColumn(),
            disable=not run.progress,
        )
        self.task = self.progress.add_task(label, total=epochs, losses="")

    def __enter__(self) -> Callable[[int, dict[str, list[float]]], None]:
        self.progress.start()
        return self._advance

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def _advance(self, epoch: int, curve: dict[str, list[float]]) -> None:
        shown = ("train", "valid", "score") if "score" in curve else ("train", "valid")
        losses = "  ".join(f"{name} {curve[name][-1]:.4f}" for name in shown) if epoch else ""
        self.progress.update(self.task, completed=epoch, losses=losses)


__all__ = ["Bar"]
