"""What Hydra composes from `conf/` is what `params.yaml` accepts, and what is committed."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from sbipipe import plugins
from sbipipe.config import Params
from sbipipe.records import parse

CONF = Path("conf").resolve()
STUDIES = sorted(path.stem for path in (CONF / "study").iterdir())
PROFILES = sorted(path.stem for path in (CONF / "profile").iterdir())


def composed(*overrides: str) -> Any:
    with initialize_config_dir(str(CONF), version_base=None):
        return OmegaConf.to_container(compose("config", list(overrides)), resolve=True)


def test_the_committed_params_are_the_laptop_profile_of_cdm() -> None:
    assert yaml.safe_load(Path("params.yaml").read_text()) == composed()


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_study_and_profile_is_accepted(study: str, profile: str) -> None:
    params = parse(Params, composed(f"study={study}", f"profile={profile}"), "")
    for name in params.simulate:
        plugins.simulator(params, name)
    for name in params.summarise:
        plugins.summary(params, name)
    for name in params.emulate:
        plugins.emulator(params, name)
    for name in params.train:
        plugins.estimator(params, name)
    for name in params.recalibrate:
        plugins.recalibration(params, name)
    for name in params.diagnose:
        plugins.diagnostic(params, name)


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda path: path.stem)
def test_no_key_is_a_boolean_to_an_old_reader(path: Path) -> None:
    def keys(node: Any) -> list[Any]:
        if isinstance(node, dict):
            return [*node, *(k for value in node.values() for k in keys(value))]
        return [k for value in node for k in keys(value)] if isinstance(node, list) else []

    assert all(isinstance(key, str) for key in keys(yaml.safe_load(path.read_text())))
