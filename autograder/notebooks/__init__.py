"""Notebooks as files: from a master to the learner's copy, and from a damaged submission back to a gradable one."""
