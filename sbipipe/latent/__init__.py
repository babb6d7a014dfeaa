"""The latent space of a generator: paths through it, and its geometry as that of the fields."""
