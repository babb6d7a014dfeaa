"""True fields at held-out parameters, beside which emulated ones are set, and their file
(`true_fields` finds them)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sbipipe import storage
from sbipipe.emulation.sample import TrueSample
from sbipipe.emulation.unchecked import Unchecked
from sbipipe.interfaces import Array, Fields, Weights
from sbipipe.physics.fields import average


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
class TrueAgain:
    """True fields of other seeds at the parameters of test simulations.

    Attributes:
        theta: The parameters, with shape (N, D).
        fields: One field at each, with shape (N, C, *space).
    """

    theta: Array
    fields: Array


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
        sample: Many true fields at the fiducial theta; None where there is no simulator to ask, and
            where none are asked for.
        again: Fields of other seeds at the parameters of test simulations; None in the same cases.
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
    sample: TrueSample | None = None
    again: TrueAgain | None = None
    failed: int = 0

    def like(self, drawn: Fields) -> Truth:
        """The same fields on the grid of these, which may be coarser: pixels are averaged."""
        cells = self.data.geometry.pixels[0] // drawn.geometry.pixels[0]
        if cells <= 1:
            return self
        response = self.response and replace(
            self.response,
            true=_blocks(self.response.true, cells),
            control=_blocks(self.response.control, cells),
        )
        return replace(
            self,
            data=replace(self.data, geometry=self.data.geometry.coarser(cells)),
            true=_blocks(self.true, cells),
            control=None if self.control is None else _blocks(self.control, cells),
            response=response,
            sample=self.sample and self.sample.mapped(lambda x: _blocks(x, cells)),
            again=self.again and replace(self.again, fields=average(self.again.fields, cells)),
        )


def _blocks(x: Array, cells: int) -> Array:
    """Averages of fields (A, B, C, *space)."""
    return average(x.reshape(-1, *x.shape[2:]), cells).reshape(
        *x.shape[:3], *(side // cells for side in x.shape[3:])
    )


def save(path: Path, found: Truth | Unchecked, identity: str = "") -> None:
    """Write true fields as single-precision arrays, whole.

    Args:
        identity: What the simulator's set says of itself; equal for equal truths.
    """
    if isinstance(found, Unchecked):
        storage.save_weights(path, Weights(meta={"unchecked": found.why, "identity": identity}))
        return
    arrays = {name: getattr(found, name) for name in ("theta", "true", "control", "varied")}
    response = found.response
    if response:
        arrays |= {"response/true": response.true, "response/control": response.control}
    written = {
        name: value if name in ("theta", "varied") else np.asarray(value, np.float32)
        for name, value in arrays.items()
        if value is not None
    }
    written |= found.sample.arrays if found.sample else {}
    if found.again:
        fields = np.asarray(found.again.fields, np.float32)
        written |= {"again/theta": found.again.theta, "again/fields": fields}
    meta = {
        "simulator": found.simulator,
        "parameters": found.parameters,
        "failed": found.failed,
        "each": response.each if response else 1,
        "identity": identity,
        **storage.describe(found.data),
    }
    storage.save_weights(path, Weights(arrays=written, meta=meta))


def load(path: Path) -> Truth | Unchecked:
    """Read what `save` wrote."""
    weights = storage.load_weights(path)
    meta, arrays = weights.meta, weights.arrays
    if "unchecked" in meta:
        return Unchecked(meta["unchecked"])
    data = storage.described(meta)
    assert isinstance(data, Fields)
    response = None
    if "response/true" in arrays:
        response = TrueResponse(
            true=arrays["response/true"], control=arrays["response/control"], each=meta["each"]
        )
    again = None
    if "again/theta" in arrays:
        again = TrueAgain(theta=arrays["again/theta"], fields=arrays["again/fields"])
    return Truth(
        simulator=meta["simulator"],
        parameters=tuple(meta["parameters"]),
        data=data,
        theta=arrays["theta"],
        true=arrays["true"],
        control=arrays.get("control"),
        varied=arrays["varied"],
        response=response,
        sample=TrueSample.restored(arrays),
        again=again,
        failed=meta["failed"],
    )
