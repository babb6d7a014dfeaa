"""Stage `sources`: stages/ and sbipipe/ -> data/sources/, the digests of the code that each stage
is made of.

DVC alone reads these files, as it does those of `settings`.
"""

from sbipipe import paths, runtime, storage
from sbipipe.sources import Sources


def main() -> None:
    for path, digests in Sources().every():
        storage.save_json(paths.SOURCES / path, digests)


if __name__ == "__main__":
    runtime.main(main)
