"""From a suite of simulations to posteriors that can be published."""

__version__ = "0.1.0"
