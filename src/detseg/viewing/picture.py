"""A drawing with its description: a PNG that every front end can show, and the text for who cannot see it."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

# Okabe and Ito's palette: eight colours that people with any common colour blindness tell apart.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, RED, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#666666"

PIXELS_PER_INCH = 96  # what a browser takes for an inch


@dataclass(frozen=True)
class Picture:
    """A finished drawing. ``alt`` says in words and numbers what it shows; ``width`` is in CSS pixels."""

    png: bytes
    alt: str
    width: int

    def html(self) -> str:
        """The picture as one ``<img>`` element that needs no file."""
        data = base64.b64encode(self.png).decode()
        style = f"width:{self.width}px;max-width:100%;height:auto;background:white"
        return (
            f'<img src="data:image/png;base64,{data}" alt="{escape(self.alt, quote=True)}" style="{style}">'
        )

    def save(self, path: str | Path) -> None:
        """Write the PNG to a file."""
        Path(path).write_bytes(self.png)

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        # JupyterLab gives a bare PNG no alternative text, so the HTML form comes along; others take the PNG.
        data = {
            "text/plain": self.alt,
            "text/html": self.html(),
            "image/png": base64.b64encode(self.png).decode(),
        }
        return data, {"image/png": {"alt": self.alt, "width": self.width}}

    def __str__(self) -> str:
        """The description."""
        return self.alt


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of ``width`` x ``height`` inches that belongs to nobody else (no pyplot state)."""
    return Figure(figsize=(width, height), layout="constrained")


def picture(figure: Figure, alt: str) -> Picture:
    """Render ``figure`` at twice the screen's resolution and attach its description.

    Raises:
        ValueError: when the description is empty.
    """
    if not alt.strip():
        raise ValueError("alt is empty: say in a sentence what the picture shows")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=1.5 * PIXELS_PER_INCH, facecolor="white")
    return Picture(buffer.getvalue(), " ".join(alt.split()), round(figure.get_figwidth() * PIXELS_PER_INCH))
