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
    if arguments.path.suffix != ".png" or not arguments.path.parent.is_dir():
        parser.error(f"{arguments.path} must end in .png and lie in a folder that exists")
    # A palette of 256 colours makes the file five times smaller; this way of choosing them keeps the rare ones.
    sheet = contact_sheet(arguments.seed)
    sheet = sheet.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=5, dither=Image.Dither.NONE)
    sheet.save(arguments.path, optimize=True)


if __name__ == "__main__":
    main()
