"""What older `params.yaml` files say, and how it is written now.

A kind whose settings have moved names them in its class attribute `moved`.
"""

KEYS = {"gate.draws": "draw.draws"}
"""Keys, and where they are written now."""

KINDS = {
    ("train", "diffusion"): (
        "moved; a diffusion model is an emulator: write it under emulate:, and "
        "{kind: surface, of: <emulator>} here"
    )
}
"""Sections and kinds that are no longer there, with what to do."""
