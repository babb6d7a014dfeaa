r"""What the two players want.

With the critic's answer D, the non-saturating logistic losses of Goodfellow et al. 2014 (arXiv
1406.2661) are

    critic      softplus(-D(x)) + softplus(D(G)),
    generator   softplus(-D(G)),

for true fields x and drawn ones G at the same theta, where softplus(-D) = -log sigmoid(D). The
critic may also pay for being steep where the data lie,

    R1 = |grad_x D(x)|^2

(Mescheder et al. 2018, arXiv 1801.04406), with which such games converge. Where it reads the power
of a field beside the field, both count as what it is given, and R1 is the sum over both: the
gradient of a log-power with respect to pixels is steepest where there is the least power, so
through the pixels R1 would forbid it to look there.

The label of each field may be flipped with some probability.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from sbipipe.emulators.gan.noise import noise
from sbipipe.emulators.gan.score import Judge
from sbipipe.learning.players import Rows


def r1(critic: Callable[[Sequence[Tensor]], Tensor], read: Sequence[Tensor]) -> Tensor:
    """|grad D|^2 of each field, (n,), with respect to all that is read of it."""
    given = [part.detach().requires_grad_() for part in read]
    gradients = torch.autograd.grad(critic(given).sum(), given, create_graph=True)
    return torch.stack([one.flatten(1).square().sum(1) for one in gradients]).sum(0)


@dataclass(frozen=True, kw_only=True)
class Duel:
    """The game about fields y (n, C, *space) at parameters s (n, D).

    Attributes:
        generator: Draws them.
        critic: Reads them.
        flips: The probability that a label is flipped.
        moved: True fields (n, C, *space) in other positions.
        judge: What scores the generator.
    """

    generator: Any
    critic: Any
    flips: float
    moved: Callable[[Tensor], Tensor]
    judge: Judge

    def critic_loss(self, rows: Rows) -> Tensor:
        """Of the critic, for true fields and as many drawn ones."""
        y, s = self.moved(rows[0]), rows[1]
        with torch.no_grad():
            drawn = self._draw(s)
        return softplus(-self._answer(y, s)) + softplus(self._answer(drawn, s))

    def generator_loss(self, rows: Rows) -> Tensor:
        """Of the generator."""
        _, s = rows
        return softplus(-self.critic(self.critic.read(self._draw(s)), s))

    def penalty(self, rows: Rows) -> Tensor:
        """R1 of the critic at true fields."""
        y, s = self.moved(rows[0]), rows[1]
        return r1(lambda read: self.critic(read, s), self.critic.read(y))

    def score(self) -> float:
        """How far the fields of the generator are from those held out."""
        return self.judge.score(self.generator)

    def scatter(self) -> float:
        """How much its fields at one theta differ by their noise."""
        return self.judge.scatter(self.generator)

    def _draw(self, s: Tensor) -> Tensor:
        fresh = [one.to(s.device) for one in noise(self.generator, len(s))]
        drawn: Tensor = self.generator(s, fresh)
        return drawn

    def _answer(self, y: Tensor, s: Tensor) -> Tensor:
        """The critic's, with the sign turned where the label is flipped."""
        answer: Tensor = self.critic(self.critic.read(y), s)
        if not (self.flips and self.critic.training):
            return answer
        flipped = torch.rand(len(answer)).to(answer.device) < self.flips
        return torch.where(flipped, -answer, answer)


__all__ = ["Duel", "r1"]
