r"""A denoiser whose parameters enter through coefficients alone.

    eps_hat(z, theta) = eps_lin(z, theta) + alpha sum_j c_j(theta) B_j(z),
    c_j = sum_m A_jm T_m(s),

all of them functions of lambda too. eps_lin is the best linear denoiser (`linear`), the J fields
B_j come from one network that never sees theta, T are Chebyshev polynomials, and A is interpolated
linearly between knots in lambda. So

    |eps - eps_hat|^2 = |eps - eps_lin|^2 - 2 alpha c^T B (eps - eps_lin) + alpha^2 c^T (B B^T) c

is a quadratic form in T whose entries take one pass of the network, whatever the number of theta:
with g the gains of eps_lin on the features f, and r = eps - sigma z,

    B (eps - eps_lin) = B r - alpha (B f^T) g.

The first part has no Monte Carlo noise (`linear`); only what the network adds to it does.

Training by gradient descent leaves A imprecise, because the information on theta is a few nats in a
loss of thousands. Given B, the best A is a least-squares problem, solved here (`refine`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sbipipe.emulators.diffusion.denoiser import add_noise, amplitudes
from sbipipe.emulators.diffusion.linear import LinearDenoiser, Model, between

KNOTS = 24
"""In lambda, for A."""


class Factorised(Model):
    """The denoiser.

    Args:
        linear: Its linear part.
        network: `(z, log_snr, None) -> (n, J * C, *space)`.
        fields: J.
        channels: C.
    """

    knots: Tensor

    def __init__(
        self, linear: LinearDenoiser, network: nn.Module, fields: int, channels: int
    ) -> None:
        super().__init__(linear)
        self.network = network
        self.fields, self.channels = fields, channels
        ends = linear.log_snr[[0, -1]].tolist()
        self.register_buffer("knots", torch.linspace(ends[0], ends[1], KNOTS))
        table = torch.zeros(KNOTS, fields, len(linear.basis))
        table[:, :, 0] = torch.randn(fields) / fields**0.5
        self.table = nn.Parameter(table)

    def guess(self, z: Tensor, log_snr: Tensor, terms: Tensor) -> Tensor:
        """eps_hat for polynomials T(s) with shape (n, M)."""
        coefficients = torch.einsum("njm,nm->nj", self.at(log_snr), terms.to(self.table.dtype))
        rest = torch.einsum("nj,njp->np", coefficients, self.basis_fields(z, log_snr))
        alpha, _ = amplitudes(log_snr, z)
        return self.linear.apply(z, log_snr, terms.double()) + alpha * rest.view_as(z)

    def basis_fields(self, z: Tensor, log_snr: Tensor) -> Tensor:
        """B, with shape (n, J, C * pixels)."""
        outputs: Tensor = self.network(z, log_snr, None)
        return outputs.reshape(len(z), self.fields, -1)

    def at(self, log_snr: Tensor) -> Tensor:
        """A between the knots, with shape (n, J, M)."""
        lower, share = between(self.knots, log_snr)
        return torch.lerp(self.table[lower], self.table[lower + 1], share[:, None, None])

    @torch.no_grad()
    def begin_from(self, coarser: Factorised) -> None:
        """Take over the network, and the coefficients at the levels of its own knots."""
        self.network.load_state_dict(coarser.network.state_dict())
        self.table.copy_(coarser.at(self.knots.to(coarser.knots.device)))

    @torch.no_grad()
    def rest_form(self, x: Tensor, eps: Tensor, log_snr: float, weight: float) -> Tensor:
        """What the network adds, in one pass (`linear.Model`)."""
        level = torch.full((len(x),), log_snr, device=x.device)
        z = add_noise(x, eps, level)
        alpha, sigma = amplitudes(level[:1], x[:1])
        B = self.basis_fields(z, level)
        onto_noise = torch.einsum("njp,np->nj", B, (eps - sigma * z).flatten(1)).double()
        gram = torch.einsum("njp,nip->nji", B, B).double()
        A = self.at(level[:1])[0].double()
        gains = self.linear.at(level[:1].double())[0].flatten(0, 2)  # (b C F, M)
        onto_linear = self._onto_features(B, z).flatten(2).double()  # (n, J, b C F)
        a, scale = float(alpha), weight / 2
        line = -2 * a * scale * onto_noise @ A
        cross = torch.einsum("jp,njk,kq->npq", A, onto_linear, gains)
        form = a**2 * scale * (torch.einsum("jp,nji,iq->npq", A, gram, A) + 2 * cross)
        basis = self.linear.basis
        return basis.of_form(form) + basis.of_line(line)

    def _onto_features(self, B: Tensor, z: Tensor) -> Tensor:
        """Inner products of each B with each feature in each band, (n, J, b, C, C + 1)."""
        bands, (count, fields) = self.linear.bands, B.shape[:2]
        waves = bands.waves(B.reshape(count * fields, *z.shape[1:]))
        waves = waves.reshape(count, fields, self.channels, -1)  # modes last
        noised = bands.waves(z).flatten(2)  # (n, C, modes)
        onto = bands.membership(z)
        products = [
            (waves * noised[:, None, c : c + 1].conj()).real @ onto for c in range(self.channels)
        ]
        constant = torch.zeros_like(products[0])
        constant[..., 0] = waves[..., 0].real * bands.pixels**0.5
        return torch.stack([*products, constant], -1).transpose(2, 3)

    @torch.no_grad()
    def normal(
        self, x: Tensor, eps: Tensor, log_snr: Tensor, weight: Tensor, terms: Tensor
    ) -> Normal:
        """The normal equations of A from fields (n, C, *space) at levels (n,).

        Args:
            weight: Of |eps - eps_hat|^2 / 2, with shape (n,).
            terms: T(s), with shape (n, M).
        """
        z = add_noise(x, eps, log_snr)
        alpha, _ = amplitudes(log_snr, z)
        B = self.basis_fields(z, log_snr)
        left = (eps - self.linear.apply(z, log_snr, terms.double())) / alpha
        onto = torch.einsum("njp,np->nj", B, left.flatten(1)).double()
        gram = torch.einsum("njp,nip->nji", B, B).double()
        lower, share = between(self.knots, log_snr)
        scale = (weight * alpha.flatten() ** 2).double()
        return Normal.of(gram, onto, scale, terms.double(), lower, share.double(), KNOTS)


@dataclass(frozen=True)
class Normal:
    """Normal equations of A: block tridiagonal in the knots.

    Args:
        diagonal: With shape (K, J M, J M).
        above: Between a knot and the next, with shape (K - 1, J M, J M).
        right: With shape (K, J M).
    """

    diagonal: Tensor
    above: Tensor
    right: Tensor

    @classmethod
    def of(
        cls, gram: Tensor, onto: Tensor, scale: Tensor, terms: Tensor,
        lower: Tensor, share: Tensor, knots: int,
    ) -> Normal:  # fmt: skip
        """From each row's B B^T (n, J, J), B y (n, J), weight, T (n, M) and place."""
        J, M = onto.shape[1], terms.shape[1]
        diagonal = gram.new_zeros(knots, J * M, J * M)
        above = gram.new_zeros(knots - 1, J * M, J * M)
        right = gram.new_zeros(knots, J * M)
        pairs = (terms[:, :, None] * terms[:, None]).flatten(1)
        for knot in torch.unique(lower).tolist():
            rows = lower == knot
            g, t, w = gram[rows].flatten(1), pairs[rows], scale[rows]
            up, down = share[rows], 1 - share[rows]
            for into, factor in (
                (diagonal[knot], down**2), (diagonal[knot + 1], up**2), (above[knot], up * down),
            ):  # fmt: skip
                block = ((g * (w * factor)[:, None]).T @ t).view(J, J, M, M)
                into += block.permute(0, 2, 1, 3).reshape(J * M, J * M)
            for k, factor in ((knot, down), (knot + 1, up)):
                right[k] += ((onto[rows] * (w * factor)[:, None]).T @ terms[rows]).flatten()
        return cls(diagonal, above, right)

    def __add__(self, other: Normal) -> Normal:
        return Normal(
            self.diagonal + other.diagonal, self.above + other.above, self.right + other.right
        )

    def cpu(self) -> Normal:
        """The same in main memory."""
        return Normal(self.diagonal.cpu(), self.above.cpu(), self.right.cpu())

    def matvec(self, a: Tensor) -> Tensor:
        """The left side times a (K, J M)."""
        out = torch.einsum("kij,kj->ki", self.diagonal, a)
        out[:-1] += torch.einsum("kij,kj->ki", self.above, a[1:])
        out[1:] += torch.einsum("kij,ki->kj", self.above, a[:-1])
        return out

    def loss(self, a: Tensor) -> Tensor:
        """Sum of the weighted squares at a, up to a constant: twice the bound of these rows."""
        return (a * self.matvec(a)).sum() - 2 * (a * self.right).sum()

    def solve(self, start: Tensor, ridge: float) -> Tensor:
        """Least squares with a penalty on the distance from `start` (K, J M)."""
        scale = self.diagonal.diagonal(dim1=1, dim2=2)
        penalty = ridge * (scale + scale.mean() * 1e-3 + 1e-12)
        target = self.right + penalty * start
        blocks = [d + torch.diag(p) for d, p in zip(self.diagonal, penalty, strict=True)]
        return _block_tridiagonal(blocks, list(self.above), target)


def _block_tridiagonal(diagonal: list[Tensor], above: list[Tensor], right: Tensor) -> Tensor:
    """Block elimination of a symmetric positive system."""
    factors: list[Tensor] = []
    reduced: list[Tensor] = []
    for k, block in enumerate(diagonal):
        value = right[k]
        if k:
            carried = torch.cholesky_solve(above[k - 1], factors[-1])
            block = block - above[k - 1].T @ carried
            value = value - carried.T @ reduced[-1]
        factors.append(torch.linalg.cholesky(block))
        reduced.append(value)
    out = [torch.cholesky_solve(reduced[-1][:, None], factors[-1])[:, 0]]
    for k in range(len(diagonal) - 2, -1, -1):
        value = reduced[k] - above[k] @ out[0]
        out.insert(0, torch.cholesky_solve(value[:, None], factors[k])[:, 0])
    return torch.stack(out)


__all__ = ["KNOTS", "Factorised", "Normal"]
