"""One thread: the networks of the tests are so small that a second one only waits. Triton's kernels run in its
interpreter where there is no GPU."""

import os
from collections.abc import Iterator

import pytest
import torch

if not torch.cuda.is_available():  # before anything imports Triton, which decides then
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
