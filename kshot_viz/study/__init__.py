"""Comparisons one can believe: same episodes, own best settings, paired statistics."""
