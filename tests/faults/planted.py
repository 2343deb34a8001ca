"""All faults, in the order of docs/audit-matrix.md."""

from tests.faults import chain, data, names, network, page, results, training
from tests.faults.fault import Fault

FAULTS: list[Fault] = [
    *data.FAULTS,
    *network.FAULTS,
    *training.FAULTS,
    *names.FAULTS,
    *results.FAULTS,
    *page.FAULTS,
    *chain.FAULTS,
]
EDITS = [data.NO_REMAINDER, data.OTHER_PLACES, data.NOT_TURNED, network.TO_ZERO, network.AT_EQUALITY, network.NO_BIASES]
"""All passages of code that faults replace."""
