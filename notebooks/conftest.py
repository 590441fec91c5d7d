"""Which notebooks take too long for make test; make slow runs them."""

import pytest

SLOW = {"09_how_do_i_run_a_sweep_on_many_workers"}  # it starts a cluster of its own, which takes most of a minute


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them before anything is chosen by its mark."""
    for item in items:
        if item.path.suffix == ".ipynb" and item.path.stem in SLOW:
            item.add_marker(pytest.mark.slow)
