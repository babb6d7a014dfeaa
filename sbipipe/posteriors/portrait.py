"""One observation or several as a page shows them: what is known of their posteriors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sbipipe.posteriors.content import PosteriorFile
from sbipipe.posteriors.intervals import Summary, summary
from sbipipe.posteriors.nearby import Nearby
from sbipipe.protocols import Prior


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """Observations and their posteriors.

    Attributes:
        estimator: The estimator whose posterior file was written.
        recommended: The one that the report of the run recommends; None where it recommends none,
            or the observations have one posterior that was judged apart.
        estimators: All estimators of the run, from which each has its look.
        exact: Those of them that are exact.
        names: What each of the B observations is called.
        prior: The prior of the parameters.
        files: The posteriors by that estimator and by every other one that is published, by name.
        same: The recalibrations that changed nothing worth having, with what they mend; they are
            not shown unless they are asked for.
        nearby: What test simulations near each observation say of each estimator; nothing for one
            whose test simulations are too few.
        remarks: What a person should know before believing the posterior, a sentence each.
    """

    estimator: str
    recommended: str | None
    estimators: tuple[str, ...]
    exact: tuple[str, ...]
    names: tuple[str, ...]
    prior: Prior
    files: Mapping[str, PosteriorFile]
    nearby: Mapping[str, tuple[Nearby, ...]]
    remarks: tuple[str, ...]
    same: Mapping[str, str] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether observations were also looked at beside what no estimator reads of them."""
        return any("whole_mmd_percentile" in file.novelty for file in self.files.values())

    @property
    def marked(self) -> dict[str, str]:
        """What is said of an estimator wherever its name stands, by name."""
        return {} if self.recommended is None else {self.recommended: "recommended"}

    def summaries(self, observation: int) -> dict[str, tuple[Summary, ...]]:
        """Medians and intervals of what is no nuisance for one observation, by estimator."""
        return {
            name: summary(file.shown, file.marginal[:, observation])
            for name, file in self.files.items()
        }


__all__ = ["Portrait"]
