r"""A conditional diffusion model of fields, which draws them and scores them.

A network learns to tell noise from fields given parameters (Mudur, Cuesta-Lazaro & Finkbeiner
2023). Run backwards it draws fields; its variational bound on -log p(x | theta) scores them,

    log p(x | theta)  ~  -bound(x, theta),

as one polynomial in theta for each field. Pixels are first made nearly Gaussian
(`learning.pixels`), the best linear denoiser is found in closed form (`linear`), and the network
learns the rest. Every field is scored in a standard position (`physics.position`), so that shifts,
reflections and right-angle rotations change nothing. `docs/diffusion.md` is the guide.
"""

from sbipipe.emulators.diffusion.emulator import Diffusion

__all__ = ["Diffusion"]
