"""The two parameters of the matter distribution that are varied, and a constant of nature."""

NAMES = ("omega_m", "sigma_8")

CRITICAL_DENSITY = 2.77536627e11
"""Today, in (Msun/h) / (Mpc/h)^3."""

__all__ = ["CRITICAL_DENSITY", "NAMES"]
