r"""A student, which draws in 1, 2 or 4 passes what its teacher draws in many.

In the frame of the linear denoiser (`frame`) the student of K steps goes

    w_0 = F noise / alpha + f,     w_{i+1} = g_i * (w_i + U(w_i, lambda_i, theta)),     x = w_K,

with a network U and, for every step, band and channel, a factor g_i(theta). The network learns the
teacher's own ways (`paths`) by least squares: in one step from noise to field, the distillation of
Luhman & Luhman 2021 (arXiv 2101.02388), which is also one reflow with a straight path (Liu et al.
2023, arXiv 2209.03003); in several, from cut to cut of the way (Salimans & Ho 2022, arXiv
2202.00512). The frame leaves it little to learn: for a Gaussian field U = 0 is exact, in one step.
Squares are summed over Fourier modes in units of the square root of their power: in those of a
pixel the largest scales alone would count.

**Power.** Least squares gives the mean where the way cannot be told, so it loses power; the teacher
has errors of its own. Both are mended in closed form: w has the power of the true fields at every
level, so g_i is the root of the ratio of true to drawn mean power,

    log g_i = (log P_true - log P_i) / 2,     log P = sum_m a_m T_m(s) in every band,

with P_true from the training fields and P_i from fields that the student's first i steps draw
(`learning.mean_power`). The last step's powers are those of fields in the simulator's units, to
which the map of pixels (`pixels`) leads, so their ratio is taken a few times. The mode k = 0, the
field's mean, is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from sbipipe.emulators.diffusion.frame import Frame
from sbipipe.emulators.diffusion.linear import LinearDenoiser
from sbipipe.emulators.diffusion.network import UNet
from sbipipe.interfaces import History, Run
from sbipipe.learning.mean_power import log_mean_power
from sbipipe.learning.networks import random_symmetry
from sbipipe.learning.schedules import Cosine
from sbipipe.learning.training import Rows, optimise
from sbipipe.seeds import number, stream

HELD_OUT = 8
"""One in so many ways chooses among checkpoints."""

DRAWN, TOGETHER = 1024, 128
"""Fields from which the power of each step is measured, and those that are drawn at once."""

_ROUNDS = 3


class Student(nn.Module):
    """The student.

    Args:
        linear: The linear denoiser of its teacher.
        network: `(w, log_snr, s) -> (n, C, *space)`.
        channels: C.
        steps: K.
    """

    levels: Tensor
    gains: Tensor

    def __init__(self, linear: LinearDenoiser, network: UNet, channels: int, steps: int) -> None:
        super().__init__()
        self.linear, self.network = linear, network
        terms = len(linear.basis)
        self.register_buffer("levels", torch.zeros(steps, dtype=torch.float64))
        self.register_buffer(
            "gains", torch.zeros(steps, len(linear.bands), channels, terms, dtype=torch.float64)
        )

    @torch.no_grad()
    def forward(self, noise: Tensor, s: Tensor) -> Tensor:
        """Fields for white noise (n, C, *space) at parameters s (n, D)."""
        w = self.begin(noise, s)
        for step in range(len(self.levels)):
            w = self.amplified(self.moved(w, self.levels[step].expand(len(w)), s), step, s)
        return w

    def begin(self, noise: Tensor, s: Tensor) -> Tensor:
        """w_0."""
        return Frame(self.linear)(noise, float(self.levels[0]), self.linear.basis(s.double()))

    def moved(self, w: Tensor, log_snr: Tensor, s: Tensor) -> Tensor:
        """w + U, for lambda (n,)."""
        change: Tensor = self.network(w, log_snr.to(w.dtype), s.to(w.dtype))
        return w + change

    def amplified(self, w: Tensor, step: int, s: Tensor) -> Tensor:
        """Times g of this step."""
        terms = self.linear.basis(s.to(self.gains))
        factors = torch.einsum("bcm,nm->nbc", self.gains[step], terms).exp()
        nothing = torch.zeros_like(factors[..., None])
        return self.linear.bands.filter(w, torch.cat([factors.diag_embed(), nothing], -1).to(w))


def learn(
    student: Student, levels: Tensor, w: Tensor, s: Tensor, settings: Cosine, run: Run, label: str
) -> History:
    """Train the network of `student` in place on the ways of its teacher's fields.

    Args:
        levels, w, s: Of `paths.Paths`.
    """
    student.levels.copy_(levels)
    held_out = max(1, len(w) // HELD_OUT)
    rows = w, s.float()
    train, valid = (tuple(row[part] for row in rows) for part in (
        slice(held_out, None), slice(held_out)
    ))  # fmt: skip
    bands = student.linear.bands
    weights = bands.power(w[:, -1]).mean(0) ** -0.5
    weights = weights / torch.einsum("bc,b->", weights, torch.from_numpy(bands.modes))
    loss = partial(path_loss, student, weights.float().to(run.device))
    augment = partial(_augment, bands.periodic)
    return optimise(student, loss, train, valid, settings, run, label, augment)


def path_loss(student: Student, weights: Tensor, w: Tensor, s: Tensor) -> Tensor:
    """|w_{i+1} - w_i - U|^2 over modes in units of their weights (b, C), at a step of each row
    drawn at random, (b,)."""
    rows = torch.arange(len(w), device=w.device)
    step = torch.randint(len(student.levels), (len(w),)).to(w.device)
    missed = student.moved(w[rows, step], student.levels[step], s) - w[rows, step + 1]
    of_mode = torch.from_numpy(student.linear.bands.of_mode.ravel()).to(w.device)
    squares = student.linear.bands.squares(missed)
    return torch.einsum("ncp,pc->n", squares, weights[of_mode])


def _augment(periodic: bool, w: Tensor, s: Tensor) -> Rows:
    moved = random_symmetry(w.flatten(1, 2), periodic=periodic)
    return moved.view(len(w), -1, w.shape[2], *moved.shape[2:]), s


@torch.no_grad()
def amplify(
    student: Student, true: Tensor, y: Tensor, s_true: Tensor,
    inverse: Callable[[Tensor], Tensor], run: Run,
) -> None:  # fmt: skip
    """Give every step the factors with which it has the power of true fields.

    Args:
        true: Fields in the simulator's units, with shape (N, C, *space).
        y: The same as the network sees them.
        s_true: Their parameters, with shape (N, D).
        inverse: From what the network sees to the simulator's units.
    """
    linear, last = student.linear, len(student.levels) - 1
    target, shown = (log_power(fields, s_true, linear) for fields in (y, true))
    D = linear.basis.dimensions
    s = torch.from_numpy(stream(run.seed, "student", "theta").uniform(-1, 1, (DRAWN, D)))
    generator = torch.Generator().manual_seed(number(run.seed, "student", "noise"))
    noise = torch.randn(DRAWN, *y.shape[1:], generator=generator)
    own = s.to(run.device)
    w = _in_parts(student.begin, noise.to(run.device), own)
    for step, level in enumerate(student.levels):
        w = _in_parts(student.moved, w, level.expand(len(w)), own)
        student.gains[step] = _excluding_mean(target - log_power(w.cpu(), s, linear))
        for _ in range(_ROUNDS if step == last else 0):
            drawn = student.amplified(w, step, own)
            found = log_power(inverse(drawn.cpu()), s, linear)
            student.gains[step] += _excluding_mean(shown - found).to(student.gains)
        w = student.amplified(w, step, own)


def _in_parts(make: Callable[..., Tensor], *rows: Tensor) -> Tensor:
    """What `make` gives of rows, of a few at once."""
    parts = zip(*(torch.split(row, TOGETHER) for row in rows), strict=True)
    return torch.cat([make(*part) for part in parts])


def _excluding_mean(log_ratio: Tensor) -> Tensor:
    """log g (b, C, M) of a ratio of powers."""
    gains = log_ratio / 2
    gains[0] = 0
    return gains


def log_power(fields: Tensor, s: Tensor, linear: LinearDenoiser) -> Tensor:
    """a of fields (N, C, *space) at s (N, D), with shape (b, C, M)."""
    return log_mean_power(linear.bands.power(fields), linear.basis(s.double()))


__all__ = ["Student", "amplify", "learn", "log_power", "path_loss"]
