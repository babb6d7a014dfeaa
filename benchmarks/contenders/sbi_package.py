"""sbi with its own defaults (Boelts et al. 2024, arXiv:2411.17337)."""

from __future__ import annotations

from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

import numpy as np
import torch
from sbi.inference import NLE, NPE, NRE
from sbi.utils import BoxUniform
from torch.distributions import Independent, Normal

from contenders.clock import Seconds, timed
from contenders.task import SEED, Fitted, Task
from sbipipe.interfaces import Array, Dataset, Generator
from sbipipe.priors.prior import ProductPrior, Uniform
from sbipipe.seeds import number, torch_scope

TRAINERS = {
    "npe": (NPE, "density_estimator"),
    "nle": (NLE, "density_estimator"),
    "nre": (NRE, "classifier"),
}


@dataclass(frozen=True, kw_only=True)
class Sbi:
    """One of sbi's trainers with one of its networks.

    Attributes:
        kind: npe, nle or nre.
        network: sbi's name of the network.
    """

    kind: str
    network: str

    def fit(self, task: Task) -> Fitted:
        with torch_scope(number(SEED, "sbi", self.kind, self.network)):
            posterior, seconds = timed(lambda: self._train(task))
        return FittedSbi(posterior=posterior, normalised=self.kind == "npe", seconds=seconds)

    def _train(self, task: Task) -> Any:
        trainer, key = TRAINERS[self.kind]
        inference = trainer(
            prior=in_torch(task.problem.prior),
            show_progress_bars=False,
            tracker=Untracked(),
            **{key: self.network},
        )
        rows = task.simulations
        with redirect_stdout(StringIO()):  # which it tells that it converged
            inference.append_simulations(_tensor(rows.theta), _tensor(rows.x)).train()
        return inference.build_posterior()


class Untracked:
    """A tracker for sbi that writes nothing; its own would leave a folder where it runs."""

    log_dir = None

    def log_metric(self, name: str, value: float, step: int | None = None) -> None: ...

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None: ...

    def log_params(self, params: dict[str, Any]) -> None: ...

    def add_figure(self, name: str, figure: Any, step: int | None = None) -> None: ...

    def flush(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class FittedSbi:
    """A posterior of sbi."""

    posterior: Any
    normalised: bool
    seconds: Seconds

    def sample(self, x: Array, n: int, rng: Generator) -> Array:
        with torch_scope(int(rng.integers(2**31))):
            drawn = [
                self.posterior.sample((n,), x=_tensor(one), show_progress_bars=False) for one in x
            ]
        return torch.stack(drawn, 1).numpy()

    def log_prob(self, theta: Array, x: Array) -> Array | None:
        if not self.normalised:
            return None
        with torch_scope(0), torch.no_grad():
            values = [
                self.posterior.log_prob(_tensor(theta[:, i]), x=_tensor(one))
                for i, one in enumerate(x)
            ]
        return torch.stack(values, 1).numpy()

    def judge(self, test: Dataset, rng: Generator) -> None:
        return None


def in_torch(prior: ProductPrior) -> Any:
    """The same prior among torch's distributions."""
    marginals = prior.marginals.values()
    if all(isinstance(one, Uniform) for one in marginals):
        low, high = np.array(prior.bounds).T
        return BoxUniform(_tensor(low), _tensor(high))
    loc, scale = (_tensor([getattr(one, key) for one in marginals]) for key in ("loc", "scale"))
    return Independent(Normal(loc, scale), 1)


def _tensor(values: Any) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values), dtype=torch.float32)
