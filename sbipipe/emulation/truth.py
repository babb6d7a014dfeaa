"""True fields at held-out parameters, beside which emulated ones are set.

**Held out.** Some test simulations, spread over the prior: the nearest to a scrambled Sobol
sequence in the unit cube. Their own fields are the truth where one simulation gives enough; else
the simulator runs again at their theta. Wherever there is a simulator it also runs for a control,
true fields of other seeds at the same theta, which are what a perfect emulator would have drawn.

**Response.** One parameter at a time is moved from the middle of the prior, in quantiles, as in the
"1P" sets of CAMELS (Villaescusa-Navarro et al. 2021). All theta of one row share the simulator's
phases, so that what differs is theta's doing.
"""

from __future__ import annotations

from dataclasses import dataclass

from sbipipe.interfaces import Array, Fields


@dataclass(frozen=True, kw_only=True)
class TrueResponse:
    """True fields with one parameter varied; the first theta is the fiducial one.

    Attributes:
        true: Fields with shape (S * each, V, C, *space), `each` rows from one simulation.
        control: The same from other seeds.
        each: The number of rows that share their phases.
    """

    true: Array
    control: Array
    each: int


@dataclass(frozen=True, kw_only=True)
class Truth:
    """True fields of one simulator.

    Attributes:
        simulator: The simulator's name.
        parameters: Names of the D parameters.
        data: What the fields are.
        theta: Parameters of the held-out simulations, with shape (T, D).
        true: Fields with shape (T, n, C, *space).
        control: True fields of other simulations, with shape (T, c, C, *space); None where there is
            no simulator to ask.
        varied: The fiducial theta and those with one parameter moved, with shape (V, D).
        response: True fields at `varied`; None where there is no simulator to ask.
        failed: The number of simulations that failed and were replaced by others.
    """

    simulator: str
    parameters: tuple[str, ...]
    data: Fields
    theta: Array
    true: Array
    control: Array | None
    varied: Array
    response: TrueResponse | None
    failed: int = 0
