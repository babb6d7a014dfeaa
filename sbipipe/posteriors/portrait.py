"""One observation or several as a page shows them: what is known of their posteriors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sbipipe.posteriors.content import PosteriorFile
from sbipipe.posteriors.intervals import Summary, summary
from sbipipe.posteriors.nearby import Nearby
from sbipipe.protocols import Prior


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """Observations and their posteriors.

    Attributes:
        estimator: The estimator that was asked for, whose posterior file was written.
        names: What each of the B observations is called.
        prior: The prior of the parameters.
        files: The posteriors by that estimator and by every other one that is published, by name.
        nearby: What test simulations near each observation say of each estimator; nothing for one
            whose test simulations are too few.
        remarks: What a person should know before believing the posterior, a sentence each.
    """

    estimator: str
    names: tuple[str, ...]
    prior: Prior
    files: Mapping[str, PosteriorFile]
    nearby: Mapping[str, tuple[Nearby, ...]]
    remarks: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether observations were also looked at beside what no estimator reads of them."""
        return any("whole_mmd_percentile" in file.novelty for file in self.files.values())

    def summaries(self, observation: int) -> dict[str, tuple[Summary, ...]]:
        """Medians and intervals of what is no nuisance for one observation, by estimator."""
        return {
            name: summary(file.shown, file.marginal[:, observation])
            for name, file in self.files.items()
        }


__all__ = ["Portrait"]
