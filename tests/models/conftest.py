"""Each implementation that runs on every machine."""

from collections.abc import Iterator

import pytest

from models.kernels.choice import implementation
from tests.models.small import PASSES


@pytest.fixture(params=PASSES)
def passes(request: pytest.FixtureRequest) -> Iterator[str]:
    """Everything within the test is computed by this implementation."""
    with implementation(request.param):
        yield request.param
