"""The diagnostics that everything in memory is put through."""

from __future__ import annotations

from sbipipe import plugins
from sbipipe.protocols import Diagnostic


def diagnostics() -> dict[str, Diagnostic]:
    """Every kind with its default settings, by its name."""
    return {
        kind: plugins.make("diagnose", kind, {}, f"diagnose.{kind}")
        for kind in plugins.kinds("diagnostics")
    }


__all__ = ["diagnostics"]
