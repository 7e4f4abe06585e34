"""`python -m detseg.data.farm scenes.png`: write the contact sheet."""

import argparse
from pathlib import Path

from PIL import Image

from detseg.data.farm.sheet import contact_sheet


def main() -> None:
    """Write the contact sheet to the path given."""
    parser = argparse.ArgumentParser(prog="python -m detseg.data.farm", description=main.__doc__)
    parser.add_argument("path", type=Path, help="picture to write, such as scenes.png")
    parser.add_argument("--seed", type=int, default=0, help="another seed shows other pictures")
    arguments = parser.parse_args()
    if arguments.seed < 0:
        parser.error("--seed must be 0 or more")
    # A palette of 256 colours makes the file five times smaller; this way of choosing them keeps the rare ones.
    sheet = contact_sheet(arguments.seed)
    sheet = sheet.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=5, dither=Image.Dither.NONE)
    try:
        sheet.save(arguments.path, optimize=True)
    except (OSError, ValueError) as error:
        parser.error(f"{arguments.path} cannot be written: {error}; give a path such as scenes.png")


if __name__ == "__main__":
    main()
