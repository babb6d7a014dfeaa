"""Stage `validate_emulator`: data/emulations -> reports/emulation.json, true against generated."""

from sbipipe import project, runtime, storage
from sbipipe.config import read_params
from sbipipe.emulation import held_out as emulated
from sbipipe.emulation import judge as validation


def main() -> None:
    params = read_params()
    paths = {name: project.emulation_path(name) for name in params.train}
    found = {
        name: validation.validate(emulated.load(path))
        for name, path in paths.items()
        if path.exists()
    }
    storage.save_json(project.EMULATION, {"emulators": found})


if __name__ == "__main__":
    runtime.main(main)
