"""Faults that are injected into a separate repository, and which check detects each (tests/faults/matrix.py)."""
