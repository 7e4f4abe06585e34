"""Training: a loop that fits a screen, its time budget, its saved state, and the recipes of the stored weights."""
