"""Trials of a search in Optuna storage."""
