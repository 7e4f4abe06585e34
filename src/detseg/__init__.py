"""The shared library: reference layers, losses, models, metrics, data and pictures."""
