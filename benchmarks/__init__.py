"""Measurements of speed."""

import argparse
import os

WAIT_POLICY = "OMP_WAIT_POLICY"

# Set here, because OpenMP reads it when torch is loaded. By default, waiting threads spin, which on a busy machine
# takes the CPU from the thread they wait for. Measured on two busy cores with n = 2: a step took 5 to 16 s, not 1 s,
# and step by step 32 to 160 s, not 2 s.
os.environ.setdefault(WAIT_POLICY, "passive")


def positive(text: str) -> int:
    """An integer of at least 1, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def at_least_two(text: str) -> int:
    value = int(text)
    if value < 2:
        raise argparse.ArgumentTypeError(f"an interval needs at least 2, not {value}")
    return value
