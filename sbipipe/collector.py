"""Python's search for objects in circles, and how a stage starts without it.

A stage's first objects are modules, which last. To look through them again and again while more are
imported takes a third of the time of importing sbi, so the search is off meanwhile; afterwards they
are set apart (`gc.freeze`), and no later search looks through them. While a stage works, the search
goes on as Python would have it: transforms of a density hold each other in circles, and each holds
tensors.
"""

from __future__ import annotations

import gc
import importlib
import sys
from types import ModuleType


def imported(name: str) -> ModuleType:
    """A module; where it is not there yet, nothing is collected while it is imported, and what is
    there at the end is never looked through again."""
    if name in sys.modules or not gc.isenabled():
        return importlib.import_module(name)
    gc.collect()  # or what is in circles now would stay
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()
