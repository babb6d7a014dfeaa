"""What the two phases of training find, and what their losses are least at."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gaussian_model import fields_of, parameters, whitening
from torch import Tensor

from sbipipe.emulators.flow.couplings import Couplings
from sbipipe.emulators.flow.learning import learn, missed, negative_gain
from sbipipe.emulators.flow.model import Model
from sbipipe.emulators.flow.settings import Discriminate, Settings
from sbipipe.emulators.flow.whitening import Whitening, fit_whitening
from sbipipe.interfaces import Run
from sbipipe.learning.schedules import Cosine
from sbipipe.learning.training import optimise, tensors
from sbipipe.seeds import torch_scope


def flow(closed: Whitening, width: int = 12) -> Model:
    torch.manual_seed(0)
    couplings = Couplings(
        channels=1, sides=closed.bands.sides, levels=1, each=2, parameters=2, width=width
    )
    return Model(closed, couplings)


def modulated(s: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Fields (N, 1, 8) of four pairs: averages are white, differences have the variance
    exp(2 c averages) with c = 0.4 + 0.3 s_1; and log p but for the normalisation of N(0, 1)."""
    rng = np.random.default_rng(seed)
    averages = torch.from_numpy(rng.normal(size=(len(s), 4)))
    log_sd = (0.4 + 0.3 * s[:, :1]) * averages
    differences = torch.exp(log_sd) * torch.from_numpy(rng.normal(size=(len(s), 4)))
    pairs = torch.stack([averages + differences, averages - differences], -1) / 2**0.5
    nats = -averages.square() / 2 - differences.square() * torch.exp(-2 * log_sd) / 2 - log_sd
    return pairs.reshape(len(s), 1, 8), nats.sum(1)


def test_the_couplings_find_what_the_closed_form_cannot_say() -> None:
    """Differences whose variance follows the averages. Rolled fields have other pairs, so the fit
    is without the symmetries of the grid."""
    s, held_out = parameters(3000), parameters(1000, seed=3)
    y, _ = modulated(s, 0)
    y_valid, nats = modulated(held_out, 1)
    closed = fit_whitening(y, s, degree=2)
    known = closed.log_prob_each(closed.bands.moments(y_valid), held_out)
    possible = float((nats - 4 * np.log(2 * np.pi) - known).mean())
    model = flow(closed)
    rows, valid = tensors(y.numpy(), s.numpy()), tensors(y_valid.numpy(), held_out.numpy())
    schedule = Cosine(epochs=6, batch=64, learning_rate=5e-3, ema=0.99)
    optimise(model, lambda *row: negative_gain(model, *row), rows, valid, schedule, Run(seed=0))
    with torch.no_grad():
        gained = float(model.gain(*valid).mean())
    assert possible > 0.9
    assert gained > 0.8 * possible


@pytest.mark.parametrize("contrasts", [1, 4])
def test_parameters_are_told_apart_best_by_the_true_likelihood(contrasts: int) -> None:
    """-log P(0) of the exact closed form, of one that is too sure and of one that is biased, with
    the same random numbers; the reference follows each."""
    true, s = whitening((4, 4), 1), parameters(4000)
    y = fields_of(true, s).float()
    tilted = true.log_power.clone()
    tilted[:, :, 1] += 0.3
    steeper = true.log_power * torch.tensor([1.0, *[1.5] * (len(true.basis) - 1)])
    losses = []
    for closed in (true, replace(true, log_power=tilted), replace(true, log_power=steeper)):
        with torch_scope(0), torch.no_grad():
            losses.append(missed(flow(closed), contrasts, y, s))
    for wrong in losses[1:]:
        excess = wrong - losses[0]
        assert excess.mean() > 3 * excess.std() / len(s) ** 0.5


def erratic(s: Tensor, seed: int) -> Tensor:
    """White fields (N, 1, 4, 4) of amplitude exp(s_1 / 2 + 0.5 z), with z normal and one for each
    field: the closed form takes the power of 16 pixels for more than it is worth."""
    rng = np.random.default_rng(seed)
    log_amplitude = s[:, 0] / 2 + 0.5 * torch.from_numpy(rng.normal(size=len(s)))
    white = torch.from_numpy(rng.normal(size=(len(s), 1, 4, 4)))
    return torch.exp(log_amplitude).view(-1, 1, 1, 1) * white


def test_the_second_phase_tells_parameters_apart_better() -> None:
    """On held-out fields; the first phase has steps too small to do anything."""
    s, held_out = parameters(2000), parameters(1000, seed=3)
    y, y_valid = erratic(s, 0), erratic(held_out, 1)
    rows, valid = tensors(y.numpy(), s.numpy()), tensors(y_valid.numpy(), held_out.numpy())
    model = flow(fit_whitening(y, s, degree=2))

    def lost() -> Tensor:
        with torch_scope(0), torch.no_grad():
            return missed(model, 3, *valid)

    before = lost()
    settings = Settings(
        optimisation=Cosine(epochs=1, batch=64, learning_rate=1e-9),
        discriminate=Discriminate(epochs=4, learning_rate=5e-3),
    )
    history = learn(model, rows, valid, settings, Run(seed=0))
    assert set(history.curves) == {"flow", "flow discriminative"}
    gained = before - lost()
    assert gained.mean() > 4 * gained.std() / len(gained) ** 0.5
