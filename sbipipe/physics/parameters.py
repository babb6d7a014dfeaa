"""The parameters of the matter distribution that are varied, and a constant of nature."""

NAMES = ("omega_m", "sigma_8")
REDSHIFT = "redshift"
"""A third one, where fields are wanted at other redshifts than zero."""

CRITICAL_DENSITY = 2.77536627e11
"""Today, in (Msun/h) / (Mpc/h)^3."""

__all__ = ["CRITICAL_DENSITY", "NAMES", "REDSHIFT"]
