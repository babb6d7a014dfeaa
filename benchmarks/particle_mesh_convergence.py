"""How far the maps of `particle_mesh` depend on its leapfrog steps and on where they start.

Every universe is run with each number of steps from the same initial conditions. Printed is the
mean over universes of the power of its 15 maps in a bin of k, as a ratio to the reference of 40
steps; for delta, and for log10(1 + delta), which is what an estimator sees. The last lines start
elsewhere, with the steps in ln a as long as those of the reference.

    python benchmarks/particle_mesh_convergence.py [universes]
"""

from __future__ import annotations

import sys

import numpy as np

from sbipipe.interfaces import Array
from sbipipe.physics.fields import power_spectrum
from sbipipe.seeds import stream
from sbipipe.simulators.particle_mesh import ParticleMesh

REFERENCE = ParticleMesh(steps=40)
CASES = {
    "5 steps": ParticleMesh(steps=5),
    "10 steps": ParticleMesh(steps=10),
    "20 steps": ParticleMesh(steps=20),
    "from z = 4": ParticleMesh(steps=28, redshift=4.0),
    "from z = 19": ParticleMesh(steps=52, redshift=19.0),
}


def powers(simulator: ParticleMesh, theta: Array, seed: int) -> Array:
    """Of delta and of log10(1 + delta), with shape (2, K)."""
    displacement = simulator.displacement(theta, stream(seed, "convergence"))
    density = simulator.overdensity(displacement, theta)
    rows = np.stack([density - 1, np.log10(density)]).reshape(2, -1, *density.shape[-2:])
    return power_spectrum(rows, simulator.box, dimensions=2).power.mean(1)


def main(universes: int) -> None:
    theta = REFERENCE.prior.sample(universes, stream(0, "convergence"))
    reference = np.stack([powers(REFERENCE, row, i) for i, row in enumerate(theta)])
    k = power_spectrum(np.zeros((REFERENCE.pixels,) * 2), REFERENCE.box).k
    print(f"{universes} universes; k [h/Mpc]:  " + " ".join(f"{value:5.2f}" for value in k))
    for name, simulator in CASES.items():
        found = np.stack([powers(simulator, row, i) for i, row in enumerate(theta)])
        for quantity, ratio in zip(("delta", "log"), (found / reference).mean(0), strict=True):
            line = " ".join(f"{value:5.3f}" for value in ratio)
            print(f"{name:12s} {quantity:6s} {line}  (worst {np.abs(ratio - 1).max():.1%})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
