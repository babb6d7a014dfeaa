r"""How the couplings are trained: to make the fields likely, then to tell their parameters apart.

**Generative.** The loss is minus what the couplings add to log p(y | theta), on fields under random
symmetries of their grid.

**Discriminative.** A likelihood of fields is judged by thousands of nats, of which a posterior sees
a few. So the second phase asks which of J + 1 parameters made a field: its own, theta_0, and J that
are drawn from a reference r(theta | y) known in closed form. Since theta_0 is a draw of the
posterior, the odds are

    P(i | y, theta_0, ..., theta_J) ~ p(y | theta_i) p(theta_i) / r(theta_i | y),

and the loss is -log P(0): it is least, whatever r, where p(y | theta) is right but for a factor of
y alone. It is log p(theta_0 | y) with its normalisation from J parameters. r mixes the prior with
the posterior of the whitening alone, to a power of one half, which puts the J where they count.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from sbipipe.emulators.flow.model import Model
from sbipipe.emulators.flow.settings import Settings
from sbipipe.emulators.flow.whitening import Whitening
from sbipipe.interfaces import History, Run
from sbipipe.learning.networks import augmented
from sbipipe.learning.training import Rows, merge, optimise

CANDIDATES = 512
"""Draws of the prior among which the reference chooses, for each batch."""
POWER, PRIOR_SHARE = 0.5, 0.1
"""Of the whitening's likelihood in the reference, and of the prior in it."""


def learn(model: Model, train: Rows, valid: Rows, settings: Settings, run: Run) -> History:
    """Train the couplings of `model` in place.

    Args:
        train, valid: Fields y (N, C, *space) and parameters s (N, D).
    """
    second = settings.discriminate
    augment = partial(augmented, model.whitening.bands.periodic)
    history = optimise(
        model, partial(negative_gain, model), train, valid, settings.optimisation, run,
        "flow", augment, keep=second.epochs > 0,
    )  # fmt: skip
    if not second.epochs:
        return history
    schedule = replace(
        settings.optimisation, epochs=second.epochs, learning_rate=second.learning_rate
    )
    loss = partial(missed, model, second.contrasts)
    found = optimise(model, loss, train, valid, schedule, run, "flow discriminative", augment)
    return merge([history, found])


def negative_gain(model: Model, y: Tensor, s: Tensor) -> Tensor:
    """Minus what the couplings add to the log-likelihood of each row, in nats."""
    return -model.gain(y, s)


def missed(model: Model, contrasts: int, y: Tensor, s: Tensor) -> Tensor:
    """-log P(0) of each row, in nats, with so many other parameters."""
    moments = model.whitening.bands.moments(y.cpu())
    own = s.double().cpu()
    others, density = _reference(model.whitening, moments, own, contrasts)
    every = torch.cat([own[:, None], others], 1)
    known = [model.whitening.log_prob_each(moments, every[:, j]) for j in range(contrasts + 1)]
    fields = y.repeat_interleave(contrasts + 1, 0)
    gain = model.gain(fields, every.flatten(0, 1).to(y.device)).view(len(y), -1)
    odds = (torch.stack(known, 1) - torch.log(density)).to(y.device) + gain
    return -torch.log_softmax(odds, 1)[:, 0]


def _reference(
    whitening: Whitening, moments: Tensor, own: Tensor, contrasts: int
) -> tuple[Tensor, Tensor]:
    """Parameters drawn from r for each of n fields, (n, J, D), and r over the prior at the field's
    own parameters (n, D) and at these, (n, J + 1)."""
    points = 2 * torch.rand(CANDIDATES, own.shape[1]).double() - 1
    log_ratio = POWER * whitening.log_prob(moments, points)
    whole = torch.logsumexp(log_ratio, 1, keepdim=True) - torch.log(torch.tensor(CANDIDATES))
    of_own = POWER * whitening.log_prob_each(moments, own)[:, None]
    ratio = torch.exp(torch.cat([of_own, log_ratio], 1) - whole)
    density = (1 - PRIOR_SHARE) * ratio + PRIOR_SHARE
    chosen = torch.multinomial(density[:, 1:], contrasts, replacement=True)
    at = torch.cat([density[:, :1], density[:, 1:].gather(1, chosen)], 1)
    return points[chosen], at


__all__ = ["learn", "missed", "negative_gain"]
