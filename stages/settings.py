"""Stage `settings`: params.yaml -> data/settings/<section>.json, each section with its defaults.

DVC alone reads these files: stages follow them, so that a section may be left out of params.yaml.
"""

from dataclasses import fields

from sbipipe import paths, plugins, runtime, storage
from sbipipe.config import Params, read_params
from sbipipe.records import dump


def main() -> None:
    params = read_params()
    plugins.require_kinds(params)
    for section in fields(Params):
        if section.name != "runtime":
            content = dump(getattr(params, section.name))
            storage.save_json(paths.SETTINGS / f"{section.name}.json", content)


if __name__ == "__main__":
    runtime.main(main)
