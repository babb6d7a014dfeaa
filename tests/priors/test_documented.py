"""The priors of docs/priors.md, as they stand there."""

from __future__ import annotations

import re

import numpy as np
import yaml
from pydantic import TypeAdapter

from repository import ROOT
from sbipipe.options import PRIORS
from sbipipe.priors.prior import PriorField

TEXT = (ROOT / "docs/priors.md").read_text()
(BLOCK,) = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def test_the_example_is_a_prior() -> None:
    prior = TypeAdapter(PriorField).validate_python(yaml.safe_load(BLOCK)["prior"])
    assert prior.names == ("omega_m", "omega_c", "h", "n_s", "m_nu", "bias")
    assert prior.nuisance == ("bias",)
    assert prior.fixed == {"w": -1.0}
    theta = prior.sample(1000, np.random.default_rng(0))
    assert (theta[:, 1] < theta[:, 0]).all()
    assert (theta[:, 4] > 0).all()


def test_every_kind_is_spoken_of() -> None:
    assert all(kind in TEXT for kind in PRIORS)
