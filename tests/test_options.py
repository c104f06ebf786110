"""Options that pytest would take for paths."""

import pytest

from runbook.options import joined


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["pytest", "--target", "/"], ["pytest", "--target=/"]),
        (
            ["pytest", "--target", "/", "--target", "/tmp"],
            ["pytest", "--target=/", "--target=/tmp"],
        ),
        (["pytest", "--reports", "/"], ["pytest", "--reports=/"]),
        (["pytest", "--reports", "not/yet"], ["pytest", "--reports=not/yet"]),
        (["pytest", "--target", "stackless"], ["pytest", "--target", "stackless"]),
        (["pytest", "--target=/", "/"], ["pytest", "--target=/", "/"]),
        (["pytest", "-m", "morning"], ["pytest", "-m", "morning"]),
        (["pytest", "--target"], ["pytest", "--target"]),
    ],
)
def test_a_path_after_an_option_is_joined_to_it(words, wanted):
    assert joined(words) == wanted
    assert joined(wanted) == wanted
