"""All of these run on every evaluator."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def _on_each(evaluator: str) -> None:
    """Before anything else of a test is made; fixtures that outlive a test take `evaluator`, to be made on each."""
