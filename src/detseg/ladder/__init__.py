"""The cost story of the lecture, measured: every model on the same scenes, on the same machine, in one run."""
