"""A training step of both ways of conditioning: float32, bf16, and compiled.

    python benchmarks/training_step.py [--device cuda --pixels 256 --width 64 --batch 16]

On a GPU the defaults are the published network (64 channels, 1-2-4-8) on maps of 256 x 256; on a
CPU a laptop's on maps of 32 x 32. Ratios are to float32, not compiled, of the same conditioning;
memory is the peak that torch has allocated on the GPU.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import torch
from torch import nn

from sbipipe.emulators.diffusion import learning
from sbipipe.emulators.diffusion.factorised import Factorised
from sbipipe.emulators.diffusion.film import Film
from sbipipe.emulators.diffusion.linear import LEVELS, LinearDenoiser, fit_linear
from sbipipe.emulators.diffusion.network import UNet
from sbipipe.emulators.diffusion.schedule import Density
from sbipipe.learning.chebyshev import Basis

WARM_UP, STEPS, FIELDS = 3, 10, 8


def main() -> None:
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if cuda else "cpu")
    parser.add_argument("--pixels", type=int, default=256 if cuda else 32)
    parser.add_argument("--width", type=int, default=64 if cuda else 16)
    parser.add_argument("--batch", type=int, default=16 if cuda else 64)
    options = parser.parse_args()
    found = {
        conditioning: {
            f"{precision}{', compiled' if compiled else ''}": step(
                conditioning, precision, compiled, options
            )
            for precision in ("float32", "bf16")
            for compiled in (False, True)
        }
        for conditioning in ("film", "factorised")
    }
    for ways in found.values():
        for way in ways.values():
            way["ratio"] = way["seconds"] / ways["float32"]["seconds"]
    print(json.dumps(found, indent=1))


def step(conditioning: str, precision: str, compiled: bool, options: Any) -> dict[str, float]:
    """The median time of a step in seconds, and the peak memory in GiB on a GPU."""
    torch.manual_seed(0)
    y = torch.randn(256, 1, options.pixels, options.pixels)
    s = 2 * torch.rand(256, 2, dtype=torch.float64) - 1
    linear = fit_linear(y, s, Basis(2, 4))
    model = make(conditioning, linear, options.width).to(options.device).train()
    if compiled:
        model.network.compile()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    density = Density(linear.log_snr.numpy(), np.ones(LEVELS - 1))
    rows = (
        y[: options.batch].to(options.device),
        linear.basis(s).float()[: options.batch].to(options.device),
    )
    cuda = options.device == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    times = []
    for _ in range(WARM_UP + STEPS):
        start = time.perf_counter()
        optimiser.zero_grad()
        with torch.autocast(options.device, torch.bfloat16, enabled=precision == "bf16"):
            loss = learning.noise_loss(model, density, *rows).float().mean()
        loss.backward()
        optimiser.step()
        if cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    measured = {"seconds": float(np.median(times[WARM_UP:])), "first_seconds": times[0]}
    if cuda:
        measured["peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
    return measured


def make(conditioning: str, linear: LinearDenoiser, width: int) -> nn.Module:
    deep = width >= 64
    size: dict[str, Any] = {"channels": 1, "dimensions": 2, "width": width}
    size |= {"multipliers": (1, 2, 4, 8) if deep else (1, 2), "blocks": 2 if deep else 1}
    size |= {"attention_below": 1024 if deep else 0}
    if conditioning == "film":
        return Film(linear, UNet(outputs=1, conditions=2, **size))
    return Factorised(linear, UNet(outputs=FIELDS, **size), FIELDS, 1)


if __name__ == "__main__":
    main()
