import pytest

from autograder import check
from autograder.exercises import load, names

VARIANTS = [(name, i) for name in names() for i in range(len(load(name).right_variants))]


@pytest.mark.parametrize(("name", "number"), VARIANTS)
def test_learners_own_check_accepts(name, number):
    """The way a notebook calls it: signature and delegation are looked at as well."""
    outcome = check(load(name).right_variants[number], name)
    assert outcome.status == "correct", str(outcome)
