"""The whole course once, without a person: data, the solved lab, a class of learners and their grades."""

from .run import run_demo

__all__ = ["run_demo"]
