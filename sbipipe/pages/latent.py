"""The page of the latent space of a generator, which `sbipipe latent` writes.

Nothing is computed here. The page is one file: figures inside it as data URIs, no script, nothing
fetched.
"""

from __future__ import annotations

from pathlib import Path

from sbipipe import storage
from sbipipe.figures import latent
from sbipipe.latent.portrait import LARGEST, Portrait
from sbipipe.writing import environment


def write(path: Path, portrait: Portrait) -> None:
    """Write the page."""
    text = page(portrait)
    storage.write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def page(portrait: Portrait) -> str:
    """The page as HTML."""
    images = portrait.data.geometry.dimensions == 2
    return (
        environment()
        .get_template("latent.html")
        .render(
            portrait=portrait,
            strips=[latent.strip(portrait)] if images else [],
            plane=[latent.plane(portrait), latent.along(portrait)],
            metric=[latent.metric(portrait)] if portrait.eigenvalues else [],
            largest=LARGEST,
            curved=all(path.curvature is not None for path in portrait.paths.values()),
        )
    )


__all__ = ["page", "write"]
