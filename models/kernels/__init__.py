"""Normalization through time, neurons and the shortcut's sum as one operation, computed by three implementations."""
