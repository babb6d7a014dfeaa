"""Conditional densities by name.

The networks are sbi's (zuko and nflows flows, mixtures of Gaussians). What is added here: inputs
and conditions are standardised by buffers that are saved with the weights, conditions along axes of
their own where that pays (`whiten`), and conditions are embedded once for all draws.

Drawing leaves circles: a transform of torch and its inverse hold each other, and the tensors of a
pass with them. So Python's collector is called after each piece, whatever its thresholds are.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from sbi.neural_nets import posterior_nn
from torch import Tensor, nn

from sbipipe.interfaces import Array, Data, Fields, Mask
from sbipipe.learning.autoregressive import is_quick, log_normal, noise_of, quickened, stacked
from sbipipe.learning.networks import FieldNetwork, check_sides
from sbipipe.learning.standardise import Standardise
from sbipipe.learning.threads import each
from sbipipe.learning.whiten import Whiten
from sbipipe.progress import spend
from sbipipe.records import InputError

DENSITIES = (
    "mdn", "made", "maf", "maf_rqs", "nsf",
    "zuko_bpf", "zuko_gf", "zuko_maf", "zuko_nice", "zuko_nsf",
)  # fmt: skip
"""Names of sbi's densities that integrate to one over the real line, each tried here. A draw of
zuko_bpf or a density of zuko_gf takes 0.1 to 0.2 ms, the others 1 to 20 us. sbi also knows
zuko_ncsf (of angles: not normalised over the line), zuko_naf and zuko_sospf (a draw by bisection
takes 0.3 ms), and zuko_unaf (of their kind; not tried)."""

STACKED = ("zuko_maf", "zuko_nsf")
"""Those of which one call serves several (`ConditionalDensity.losses`)."""

SPLINE_DIMENSIONS = 16
"""Dimensions above which a step of a spline flow costs several of an affine one, and only
"thorough" tries it."""

PAIRS = 2**15
"""Pairs of input and condition that a network sees at once, at most."""

CACHED = 2**12
"""Pairs whose numbers a processor's cache holds: seen so many at once, a density costs 0.55 to 0.85
of what it does at `PAIRS`."""


def pairs_on(device: torch.device) -> int:
    """Pairs that a network sees at once where their number changes no value."""
    return CACHED if device.type == "cpu" else PAIRS


def pieces(rows: Tensor, size: int) -> Iterator[Tensor]:
    """At most `size` rows at a time."""
    return (rows[i : i + size] for i in range(0, len(rows), size))


class ConditionalDensity(nn.Module):
    """q(a | b) of vectors a given vectors or fields b.

    Args:
        net: sbi's estimator of standardised a given the embedding of b.
        inputs: Standardises a.
        embedding: Of b.

    Attributes:
        quick: Whether `losses` calls several as one.
    """

    def __init__(self, net: nn.Module, inputs: Standardise, embedding: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.inputs = inputs
        self.embedding = embedding
        self.quick = is_quick(net)

    def loss(self, a: Tensor, b: Tensor) -> Tensor:
        """Minus log q(a | b) of each row, up to the Jacobian of the standardisation, which depends
        on a alone."""
        return -self._log_standard(self.inputs(a), self.embedding(b))

    @staticmethod
    def losses(members: Sequence[ConditionalDensity], a: Tensor, b: Tensor) -> Tensor:
        """The `loss` of each of K quick ones of one shape, with shape (K, N)."""
        rows = stacked([one.inputs(a) for one in members])
        given = stacked([one.embedding(b) for one in members])
        return -_log_standard([one.net for one in members], rows, given)

    def _log_standard(self, a: Tensor, embedded: Tensor) -> Tensor:
        """The log density (N,) of standardised rows (N, A) given embeddings (N, E)."""
        if self.quick:
            return _log_standard([self.net], a[None], embedded[None])[0]
        found: Tensor = self.net.log_prob(a[None], embedded)[0]  # type: ignore[operator]
        return found

    @torch.no_grad()
    def embed(self, b: Tensor) -> Tensor:
        """Embeddings (B, E) of conditions (B, ...)."""
        device = self.inputs.loc.device
        parts = pieces(b, 256 if b.ndim > 2 else PAIRS)
        return torch.cat([self.embedding(part.to(device)) for part in parts])

    def embed_all(self, b: Tensor) -> Tensor:
        """Embeddings (n, B, E) of vectors (n, B, L)."""
        return self.embed(b.flatten(0, 1)).reshape(*b.shape[:2], -1)

    @torch.no_grad()
    def log_prob(self, a: Tensor, embedded: Tensor) -> Tensor:
        """log q(a | b), a (n, B, A) and embeddings (B, E) or (n, B, E) -> (n, B), in float64."""
        pairs = np.broadcast_shapes(a.shape[:-1], embedded.shape[:-1])
        a, embedded = a.expand(*pairs, -1), embedded.expand(*pairs, -1)

        def piece(pair: Tensor) -> Tensor:
            at = pair // pairs[1], pair % pairs[1]
            rows = a[at].to(embedded.device)
            log_prob = self._log_standard(self.inputs(rows), embedded[at])
            return log_prob.double() + self.inputs.log_det(rows)

        every = pieces(torch.arange(math.prod(pairs)), pairs_on(embedded.device))
        return torch.cat(each(piece, every, embedded.device)).reshape(pairs)

    @torch.no_grad()
    def sample(self, n: int, embedded: Tensor) -> Tensor:
        """Draws (n, B, A) given embeddings (B, E); from torch's generator."""
        chunk = max(1, PAIRS // max(1, len(embedded)))
        counts = [chunk] * (n // chunk) + [n % chunk] * (n % chunk > 0)
        shape = (0, len(embedded), self.inputs.loc.numel())
        parts = [embedded.new_empty(shape)]
        for count in counts:
            parts.append(self.net.sample((count,), embedded))  # type: ignore[operator]
            spend(count * len(embedded))
            gc.collect(1)
        return self.inputs.inverse(torch.cat(parts))


def _log_standard(nets: Sequence[nn.Module], a: Tensor, embedded: Tensor) -> Tensor:
    """The log densities (K, N) of quick flows, of (K, N, A) given (K, N, E)."""
    noise, slope = noise_of(nets, a, embedded)
    return log_normal(noise) + slope


def build_density(
    *,
    density: str,
    hidden: int,
    transforms: int,
    inputs: Tensor,
    conditions: Tensor,
    reads: Callable[[], nn.Module] | None = None,
    features: int = 16,
    width: int = 16,
    periodic: bool = True,
) -> ConditionalDensity:
    """A new network, initialised from torch's generator.

    Args:
        density: One of `DENSITIES`.
        hidden: Units in each of two hidden layers.
        transforms: Of a flow.
        inputs: Training rows (N, A), for their mean and scale.
        conditions: Training rows: vectors (N, L), or fields (N, C, *space), which a network
            embeds.
        reads: A new network that embeds vectors; None standardises them.
        features, width: Length of a field's embedding, and the network's first width.
        periodic: Whether opposite sides of fields meet.
    """
    embedding: nn.Module
    if reads is not None:
        embedding = reads()
    elif conditions.ndim == 2:
        embedding = Whiten(conditions)
    else:
        widths = (width, 2 * width, 4 * width)
        check_sides(conditions.shape[2:], len(widths), "npe")
        net = FieldNetwork(
            channels=conditions.shape[1],
            dimensions=conditions.ndim - 2,
            widths=widths,
            outputs=features,
            periodic=periodic,
        )
        embedding = nn.Sequential(Standardise(conditions), net)
    with torch.no_grad():
        embedded = embedding(conditions[:2])
    layers = [hidden] * 2 if density.startswith("zuko") else hidden
    builder = posterior_nn(
        density,
        hidden_features=layers,
        num_transforms=transforms,
        z_score_theta="none",
        z_score_x="none",
    )
    flow = quickened(builder(inputs[:2], embedded))
    return ConditionalDensity(flow, Standardise(inputs), embedding)


def reader(rows: Tensor, part: tuple[int, int] = (0, 1)) -> nn.Module:
    """What standardises vectors like the rows (N, L), or one of some equal parts of them.

    Args:
        part: Which of how many, counted from zero, round and round.
    """
    if part[1] == 1:
        return Whiten(rows)
    own = _Part(rows.shape[1], part[0] % part[1], part[1])
    return nn.Sequential(own, Whiten(own(rows)))


class _Part(nn.Module):
    """One of some equal parts of vectors, by a product, which torch can stack (`members`).

    Args:
        length: Of the vectors.
        which, parts: Which of how many, counted from zero.
    """

    columns: Tensor

    def __init__(self, length: int, which: int, parts: int) -> None:
        super().__init__()
        own = torch.eye(length).chunk(parts, 1)[which]
        self.register_buffer("columns", own.contiguous())

    def forward(self, rows: Tensor) -> Tensor:
        return rows @ self.columns


def check_vectors(data: Data) -> None:
    """Raise InputError for fields where only vectors will do."""
    if isinstance(data, Fields):
        raise InputError(
            f"of: given fields with shape {data.shape}; allowed: a summary, which gives vectors"
        )


def check_varies(x: Array) -> Mask:
    """The components that vary, with shape (L,); raise InputError where none does."""
    varies = np.asarray(np.ptp(x, axis=0) > 0)
    if not varies.any():
        raise InputError(
            f"x: all {x.shape[1]} components are the same in all {len(x)} training rows; "
            "a density over x needs one that varies"
        )
    return varies
