"""Stage `validate_emulator`: data/emulations -> reports/emulation.json, true against generated."""

from pathlib import Path
from typing import Any

from sbipipe import project, runtime, storage
from sbipipe.config import read_params
from sbipipe.emulation import held_out as emulated
from sbipipe.emulation.judge import judge
from sbipipe.emulation.plain import to_json
from sbipipe.emulation.unchecked import Unchecked


def main() -> None:
    params = read_params()
    paths = {name: project.emulation_path(name) for name in params.train}
    found = {name: judged(path) for name, path in paths.items() if path.exists()}
    storage.save_json(project.EMULATION, {"emulators": found})


def judged(path: Path) -> dict[str, Any]:
    """What is said of one emulator."""
    found = emulated.load(path)
    judgement = found if isinstance(found, Unchecked) else judge(*emulated.apart(found))
    if isinstance(judgement, Unchecked):
        return {"unchecked": judgement.why}
    return to_json(judgement)


if __name__ == "__main__":
    runtime.main(main)
