"""What the farm pictures contain, by name; the index of a name is its label."""

CLASSES = ("background", "cow", "sheep", "dog", "horse", "person")
"""Object classes; label 0 is background."""

STUFF = ("sky", "hill", "tree", "grass", "water", "dirt", "snow", "building", "clutter")
"""What lies behind the objects; clutter is rocks, stumps, hay bales and fences."""

VOID = 255
"""Value of pixels to ignore in a mask: the leftovers of an object too small or too hidden to be asked for."""

DATA_VERSION = 1
"""Part of every cache file's name: raise it whenever a seed's picture changes."""
