"""An emulator is read as it was judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sbipipe import storage
from sbipipe.results import emulation as emulation_results
from sbipipe.results.run import Results


def test_an_emulator_is_read_with_its_maps(run_folder: Path, run_results: Results) -> None:
    (found,) = run_results.emulations
    assert (found.name, found.simulator, found.simulated) == ("nle", "cdm", True)
    entry = storage.load_json(run_folder / "reports/emulation.json")["emulators"]["nle"]
    generated = entry["chi_squared"]["sets"]["generated"]
    assert found.chi_squared["generated"].ratio == generated["ratio"]
    arrays = storage.load_weights(run_folder / "data/emulations/nle.safetensors").arrays
    for example, written in zip(found.examples, entry["examples"], strict=True):
        np.testing.assert_array_equal(example.theta, arrays["theta"][written["row"]])
        np.testing.assert_array_equal(example.true, arrays["true"][written["row"], :2, 0])
        assert example.generated.shape == (2, 16, 16)
    assert [one.parameter for one in found.responses] == ["omega_m", "sigma_8"]
    assert len(found.headlines) == 12
    assert run_results.unchecked == {}


@pytest.mark.parametrize(
    ("shape", "image"), [((2, 8), (8,)), ((1, 8, 8), (8, 8)), ((1, 8, 8, 8), (8, 8))]
)
def test_emulated_fields_become_images(shape: tuple[int, ...], image: tuple[int, ...]) -> None:
    assert emulation_results._images(np.zeros((2, *shape))).shape == (2, *image)
