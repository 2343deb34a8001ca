"""Faults planted into a repository of its own, and what the auditor says of each (tests/faults/matrix.py)."""
