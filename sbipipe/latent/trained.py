"""The generator of a run whose latent space is looked at, and where."""

from __future__ import annotations

import math

import numpy as np

from sbipipe import plugins, project
from sbipipe.config import Params
from sbipipe.protocols import HasLatents
from sbipipe.records import InputError


def trained(params: Params, name: str) -> HasLatents:
    """The emulator of the entry `emulate.<name>`.

    Raises:
        InputError: If there is none, it is not trained, or its fields grow from no latent vector.
    """
    if name not in params.emulate:
        known = ", ".join(params.emulate) or "none, as these params have no emulator"
        raise InputError(f"NAME: given {name!r}; allowed: {known}")
    found = project.emulator(params, name)
    if not isinstance(found, HasLatents):
        raise InputError(
            f"NAME: given {name!r}, an emulator of kind {params.emulate[name].kind}, whose fields "
            "grow from no latent vector; allowed: one of kind gan"
        )
    return found


def place(params: Params, name: str, given: str) -> dict[str, float]:
    """One theta, by name.

    Args:
        given: Some of its values, as `omega_m=0.3,sigma_8=0.8`; the others are in the middle of the
            prior.

    Raises:
        InputError: For what is no parameter, no number, or outside the prior.
    """
    prior = plugins.prior_of(params, params.simulator_of(name))
    middle = prior.from_unit(np.full((1, len(prior.names)), 0.5))[0]
    theta = dict(zip(prior.names, middle.tolist(), strict=True))
    for part in filter(None, map(str.strip, given.split(","))):
        key, _, value = (word.strip() for word in part.partition("="))
        if key not in theta or not _number(value):
            allowed = ", ".join(f"{one}=NUMBER" for one in theta)
            raise InputError(f"--theta: given {part}; allowed: {allowed}")
        theta[key] = float(value)
    if not prior.inside(np.array([list(theta.values())]))[0]:
        raise InputError(f"--theta: given {given}; allowed: values inside the prior")
    return theta


def _number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


__all__ = ["place", "trained"]
