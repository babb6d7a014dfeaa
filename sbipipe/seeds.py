"""One root seed, many independent streams.

A stream is named by labels: `stream(seed, "simulate", "cdm", "train", 17)`. The labels are hashed
into the entropy of a `numpy.random.SeedSequence` (O'Neill's mixing; NumPy NEP 19), so streams of
different names are independent, and adding a stream moves no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


def sequence(root: int, *labels: str | int) -> np.random.SeedSequence:
    """The seed sequence of a named stream."""
    digest = hashlib.blake2b("\x1f".join(map(str, labels)).encode(), digest_size=16).digest()
    return np.random.SeedSequence([root, *np.frombuffer(digest, np.uint32).tolist()])


def stream(root: int, *labels: str | int) -> np.random.Generator:
    """The random generator of a named stream."""
    return np.random.default_rng(sequence(root, *labels))


def number(root: int, *labels: str | int) -> int:
    """A named seed in [0, 2^63), for libraries that take an integer and as a root of its own."""
    return int(sequence(root, *labels).generate_state(1, np.uint64)[0] >> np.uint64(1))


@contextmanager
def torch_scope(seed: int) -> Iterator[None]:
    """Inside, torch's global generators start from `seed`; after, they are as they were."""
    import torch

    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
