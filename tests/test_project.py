"""Objects come back as the run of `params.yaml` had them."""

from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sbipipe import project
from sbipipe.config import read_params
from sbipipe.records import InputError


@pytest.mark.parametrize(
    ("restored", "name"), [(project.posterior, "exact"), (project.summariser, "raw")]
)
def test_networks_go_where_the_run_computes(
    linear_folder: Path, monkeypatch: pytest.MonkeyPatch, restored, name: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with chdir(linear_folder):
        params = read_params()
        assert restored(params, name).weights is not None
        elsewhere = replace(params, runtime=replace(params.runtime, device="cuda"))
        with pytest.raises(InputError, match=r"runtime\.device: given cuda"):
            restored(elsewhere, name)
