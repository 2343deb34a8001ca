"""Faults planted into a repository of its own, and what the auditor says of each (benchmarks/audit_matrix.py)."""
