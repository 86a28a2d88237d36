"""Rewards: how a candidate is scored during a search."""
