"""What holds the parameters of simulations made elsewhere, whatever is known of their density."""

from __future__ import annotations

from sbipipe.protocols import Prior, UnknownPrior


def support(declared: Prior | UnknownPrior) -> Prior | None:
    """A prior with the support of a declared one; None where it is unbounded."""
    return declared.within if isinstance(declared, UnknownPrior) else declared


__all__ = ["support"]
