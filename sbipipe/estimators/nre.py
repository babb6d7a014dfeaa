"""Neural ratio estimation.

A classifier tells the theta that made x from others. Drawn from the prior, the others would hardly
ever come near a sharp posterior, and say nothing of its shape. So most of them come from
a few small flows that are fitted first (`learning.reference`), in u = Phi^-1(F(theta)), where the
prior p(u) is a standard normal. With one u_0 of p(u | x) among K of their mixture with the prior,
m(u | x), the contrastive loss (Durkan et al. 2020, arXiv 2002.03712)

    L_B = -E log[ exp g(u_0, x) / sum_{k=0..K} exp g(u_k, x) ]

is least for g = log p(u | x) / m(u | x) + c(x). That is nearly flat where the flows are good,
and a network learns it quickly, in the coordinates in which each of them is a normal; where they
are not, the prior's share keeps m from vanishing. The ratio to the prior follows in two steps
(telescoping, Rhodes, Xu & Gutmann 2020, arXiv 2006.12204),

    f(u, x) = g(u, x) + log m(u | x) - log p(u),
    log p(theta | x) = f(u, x) + log p(theta) - log Z(x),

and the free c(x) is fixed where the posterior is normalised, in `sbipipe.sampling`. Without
flows this is NRE-C (Miller et al. 2022, arXiv 2210.06170) in the limit of large gamma,
which spends no capacity on c(x).

In the place of long vectors stand a few learned features of them (`learning.compression`). Which
network is right is tried (`learning.portfolio`). An ensemble averages ratios with equal
weights, each normalised over the same draws of m, its mean over the flows. Draws of m are weighed
in place of a search for the posterior where a grid does not do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from sbi.neural_nets import classifier_nn
from scipy.special import logsumexp
from torch import Tensor, nn

from sbipipe.interfaces import Array, Dataset, Generator, History, LogLikelihood, Run, Weights
from sbipipe.learning import compression
from sbipipe.learning.compression import Short, sets_of, shorten
from sbipipe.learning.densities import check_vectors, pairs_on, pieces, reader
from sbipipe.learning.ensembles import mixture_log_prob
from sbipipe.learning.guide import new_flow, same_noise
from sbipipe.learning.members import load_members, load_named, member_arrays, named_arrays
from sbipipe.learning.portfolio import Candidate, Effort, fit
from sbipipe.learning.reference import FOLDS, Reference, fit_references, folds_of
from sbipipe.learning.schedules import MOVED, Annealed
from sbipipe.learning.threads import each
from sbipipe.learning.training import Rows, merge, tensors
from sbipipe.progress import at_once, spend
from sbipipe.protocols import Conditioned, Posterior, Prior
from sbipipe.records import Positive, plugin
from sbipipe.sampling.condition import condition
from sbipipe.sampling.near import Proposal
from sbipipe.seeds import number, torch_scope
from sbipipe.storage import check_same

PORTFOLIO = {
    "quick": ("resnet 64x2",),
    "standard": ("resnet 64x2", "resnet 128x2", "mlp 128"),
    "thorough": ("resnet 64x2", "resnet 128x2", "mlp 128", "resnet 128x4", "resnet 256x4"),
}
"""What `auto` tries, by effort: sbi's networks with their units, and x their residual blocks."""

FINALISTS = {"quick": 1, "standard": 1, "thorough": 2}
"""How many of them are trained to the end."""

POINTS = 256
"""At least so many draws of the mixtures normalise the members."""

OWN = "reference/"
"""What the names of the reference's weights begin with."""


@plugin
class Nre:
    """A classifier of pairs (theta, x).

    Attributes:
        classifier: "auto", which tries several, or one of sbi's networks: residual blocks, a
            perceptron, or linear.
        effort: How many `auto` tries.
        hidden: The units in each hidden layer of a classifier that is named; None takes 64.
        features: The number of learned features that stand for x; 0 takes x itself; None decides:
            one or two for each parameter, where x has more than 8 components, and twice as many
            as there are parameters.
        contrasts: The number K of parameters of the mixture beside each true one.
        ensemble: The number of members, for each shape that is trained to the end.
        optimisation: How the members are trained.
    """

    classifier: Literal["auto", "resnet", "mlp", "linear"] = "auto"
    effort: Effort = "standard"
    hidden: Positive | None = None
    features: Annotated[int, Field(ge=0)] | None = None
    contrasts: Annotated[int, Field(ge=2)] = 8
    ensemble: Positive = 3
    optimisation: Annealed = Field(default_factory=Annealed)

    learns: ClassVar[bool] = True
    moved: ClassVar[dict[str, str]] = MOVED

    def __post_init__(self) -> None:
        if self.classifier == "auto" and self.hidden:
            raise ValueError(
                f"hidden: given {self.hidden} beside classifier: auto, which chooses it; allowed: "
                "with a classifier that is named"
            )

    @staticmethod
    def quick() -> dict[str, Any]:
        """Settings with which it fits in seconds, for tests and trials."""
        return {
            "classifier": "resnet",
            "hidden": 8,
            "ensemble": 2,
            "contrasts": 4,
            "optimisation": {"steps": 10},
        }

    def fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Posterior, History]:
        """Choose and train on `train`; stop on `valid`.

        Raises:
            InputError: If x are fields.
        """
        check_vectors(train.data)
        u, x = tensors(prior.to_unbounded(train.theta), train.x)
        held_out = tensors(prior.to_unbounded(valid.theta), valid.x)
        length = x.shape[1]
        short, first = shorten(
            (u, x), held_out, self.features, self.optimisation, run, self.ensemble
        )
        sets = sets_of(short.features, self.ensemble)
        x, held_out = short.of(x), (held_out[0], short.of(held_out[1]))
        fold = folds_of(train.group, run.seed)
        references, second = fit_references(
            (u, x), fold, held_out, self.contrasts, self.optimisation, run, sets
        )
        with torch_scope(number(run.seed, "contrasts")):
            rows = self._rows(references, (u, x), fold)
            judges = self._rows(references, held_out, torch.arange(len(held_out[0])) % FOLDS)
        fitted = fit(
            [self._candidate(name, rows[0], x, sets) for name in self._names],
            rows,
            judges,
            finalists=FINALISTS[self.effort],
            members=self.ensemble,
            settings=self.optimisation,
            run=run,
        )
        names = list(fitted.names)
        meta = {
            "config": self._config,
            "x": length,
            "features": short.features,
            "members": names,
        }
        posterior = _NrePosterior(
            prior=prior,
            references=references[: len(names)],
            members=fitted.networks,
            short=short,
            meta=meta,
        )
        history = fitted.with_weights(np.full(len(names), 1 / len(names)))
        return posterior, replace(merge([*first, second, history]), notes=history.notes)

    def restore(
        self,
        weights: Weights,
        prior: Prior,
        log_likelihood: LogLikelihood | None = None,
        *,
        device: str = "cpu",
    ) -> Posterior:
        """The posterior that gave these weights."""
        check_same(weights, self._config)
        length, features = weights.meta["x"], weights.meta["features"]
        names = weights.meta["members"]
        sets = sets_of(features, self.ensemble)
        short = compression.restored(weights.arrays, length, features, device, sets)
        u, x = torch.zeros(2, len(prior.names)), short.of(torch.zeros(2, length))
        with torch_scope(0):
            flows = [new_flow(u, x, (k, sets)) for k in range(min(FOLDS, len(names)))]
        references = tuple(Reference(flow, self.contrasts) for flow in flows)
        load_named(nn.ModuleList(references).to(device).eval(), weights.arrays, OWN)
        places = torch.zeros(2, 1, 2 * len(prior.names))
        builds = [self._candidate(name, places, x, sets).build for name in names]
        members = load_members(builds, weights.arrays, device)
        return _NrePosterior(
            prior=prior,
            references=references,
            members=members,
            short=short,
            meta=weights.meta,
        )

    def _rows(self, references: Sequence[Reference], rows: Rows, fold: Tensor) -> Rows:
        """Where truths and contrasts lie (N, 1 + K, C), the truth first, and x; fold by fold, each
        as its own reference sees it."""
        parts = []
        for j, reference in enumerate(references):
            u, x = (tensor[fold == j] for tensor in rows)
            noise = torch.randn(self.contrasts, *u.shape)
            every = torch.cat([u[None], reference.draws(noise, x)])
            parts.append((reference.coordinates(every, x)[0].transpose(0, 1), x))
        places, given = (torch.cat(part) for part in zip(*parts, strict=True))
        return places, given

    @property
    def _names(self) -> tuple[str, ...]:
        if self.classifier == "auto":
            return PORTFOLIO[self.effort]
        blocks = "x2" if self.classifier == "resnet" else ""
        return (f"{self.classifier} {self.hidden or 64}{blocks}",)

    def _candidate(self, name: str, places: Tensor, x: Tensor, sets: int) -> Candidate:
        classifier, sizes = name.split(" ")
        hidden, *blocks = map(int, sizes.split("x"))

        def build(k: int) -> _Ratio:
            read = reader(x, (k, sets))
            builder = classifier_nn(
                classifier,
                hidden_features=hidden,
                **({"num_blocks": blocks[0]} if blocks else {}),
                z_score_theta="none",
                z_score_x="none",
            )
            return _Ratio(builder(places[:2, 0], read(x[:2])), read)

        return Candidate(name=name, build=build, stacked=True)

    @property
    def _config(self) -> dict[str, Any]:
        names = ("classifier", "effort", "hidden", "features", "contrasts", "ensemble")
        return {name: getattr(self, name) for name in names}


class _Ratio(nn.Module):
    """g(u, x) and its loss.

    Args:
        net: sbi's ratio estimator of coordinates of u and standardised x.
        standardise: The map of x, or of a part of it, to zero mean and unit variance, perhaps along
            axes of its own.
    """

    def __init__(self, net: nn.Module, standardise: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.standardise = standardise

    def forward(self, places: Tensor, x: Tensor) -> Tensor:
        """g of coordinates (..., C) and x (..., L), broadcast against each other."""
        x = self.standardise(x).expand(*places.shape[:-1], -1)
        ratio: Tensor = self.net.unnormalized_log_ratio(places, x)  # type: ignore[operator]
        return ratio

    def loss(self, places: Tensor, x: Tensor) -> Tensor:
        """L_B of each row of coordinates (b, 1 + K, C), the truth's first."""
        logits = self(places, x[:, None])
        losses: Tensor = torch.logsumexp(logits, 1) - logits[:, 0]
        return losses

    @torch.no_grad()
    def log_ratio(self, places: Tensor, x: Tensor) -> Tensor:
        """g, (n, B, C) and (B, L) -> (n, B), in float64."""
        pairs = places.shape[:2]
        device = next(self.net.parameters()).device
        size = pairs_on(device)
        rows = pieces(places.flatten(0, 1).to(device), size)
        given = pieces(x.to(device).expand(*pairs, -1).flatten(0, 1), size)
        parts = each(lambda pair: self(*pair), zip(rows, given, strict=True), device)
        ratios: Tensor = torch.cat(parts).double().reshape(pairs).cpu()
        return ratios


@dataclass(frozen=True, kw_only=True)
class _NrePosterior:
    prior: Prior
    references: tuple[Reference, ...]
    members: tuple[_Ratio, ...]
    short: Short
    meta: Mapping[str, Any]

    proposes_itself: ClassVar[bool] = False

    def at(self, x: Array) -> Conditioned:
        proposal = Proposal(draws=self.propose, log_ratios=self.log_ratios)
        return condition(self.log_ratio, self.prior, self.digest(x), self.near, proposal)

    def digest(self, x: Array) -> Array:
        """What stands for the vectors, and behind it the members' normalisers, with shape
        (B, L + K)."""
        given = self.short.digest(x)
        return np.concatenate([given, self._normalisers(given)], 1)

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        """log p(x | theta) / p(x) + c(x), (n, B, D) and (B, L + K) -> (n, B)."""
        return np.asarray(self.log_ratios(theta, digest)[0])

    def log_ratios(self, theta: Array, digest: Array) -> Array:
        """`log_ratio`, and log m(u | x) - log p(u) of the mean of the references' mixtures,
        (n, B, D) and (B, L + K) -> (2, n, B)."""
        u, x_tensor = tensors(self.prior.to_unbounded(theta), digest)
        count = len(self.members)
        given = x_tensor[:, :-count]
        parts, mixture = self._parts(u.expand(-1, len(given), -1), given)
        parts -= digest[:, -count:].T[:, None]
        return np.stack([_mean(parts), mixture])

    def propose(self, n: int, digest: Array, rng: Generator) -> Array:
        """n draws u (n, B, D) of the mean of the references' mixtures."""
        (given,) = tensors(digest[:, : -len(self.members)])
        points = self._whole(n)
        (noise,) = tensors(rng.standard_normal((points, len(given), len(self.prior.names))))
        chosen = torch.from_numpy(rng.permutation(points)[:n])
        return np.asarray(self._made_of(noise, given)[chosen].double().numpy())

    def near(self, digest: Array) -> Array:
        """Draws u (n, B, D) of the flows."""
        (given,) = tensors(digest[:, : -len(self.members)])
        return np.concatenate([one.near(given) for one in self.references])

    def _normalisers(self, x: Array) -> Array:
        """log E_prior[exp f] of each observation and member, with shape (B, K)."""
        points = self._whole(POINTS)
        (given,) = tensors(x)
        noise = same_noise(points, len(given), len(self.prior.names))
        with at_once(len(given), "normalising", each=2 * points):
            u = self._made_of(noise, given)
            spend(points * len(given))
            parts, mixture = self._parts(u, given)
            spend(points * len(given))
        return np.asarray(logsumexp(parts - mixture, 1).T - np.log(points))

    def _parts(self, u: Tensor, x: Tensor) -> tuple[Array, Array]:
        """f of every member, at u (n, B, D) and x (B, L), with shape (K, n, B); and log m(u | x) -
        log p(u) of the mean of the references' mixtures, with shape (n, B)."""
        seen = [one.coordinates(u, x) for one in self.references]
        parts = [
            (member.log_ratio(places, x) + near).numpy()
            for member, (places, near) in zip(self.members, cycle(seen), strict=False)
        ]
        return np.stack(parts), _mean(np.stack([near.numpy() for _, near in seen]))

    def _made_of(self, noise: Tensor, x: Tensor) -> Tensor:
        """Draws of the references' mixtures, as many of each, made of normal noise (n, B, D)."""
        parts = noise.chunk(len(self.references))
        every = [one.draws(part, x) for one, part in zip(self.references, parts, strict=True)]
        return torch.cat(every)

    def _whole(self, n: int) -> int:
        """At least n, of which each density of each mixture gives its very share."""
        least = len(self.references) * self.references[0].contrasts
        return least * math.ceil(n / least)

    @property
    def weights(self) -> Weights:
        own = named_arrays(nn.ModuleList(self.references), OWN)
        arrays = {**own, **self.short.arrays, **member_arrays(self.members)}
        return Weights(arrays=arrays, meta=self.meta)


def _mean(log_values: Array) -> Array:
    """The logarithm of the mean over the first axis."""
    return mixture_log_prob(log_values, np.full(len(log_values), 1 / len(log_values)))


__all__ = ["Nre"]
