"""The four animals: each function paints one, in a random pose and coat, and says how to finish it."""

from detseg.data.farm.animals.cow import draw_cow
from detseg.data.farm.animals.dog import draw_dog
from detseg.data.farm.animals.horse import draw_horse
from detseg.data.farm.animals.sheep import draw_sheep

__all__ = ["draw_cow", "draw_dog", "draw_horse", "draw_sheep"]
