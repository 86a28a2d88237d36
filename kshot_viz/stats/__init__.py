"""Intervals and paired tests of accuracies, one value an episode."""

from __future__ import annotations

from kshot_viz.stats.intervals import (
    FEW_VALUES,
    Interval,
    bootstrap_by_group,
    bootstrap_mean,
    bootstrap_shares,
    mean_difference,
    wilson_share,
)
from kshot_viz.stats.paired import PairedTest, holm, paired_differences, paired_test

__all__ = [
    "FEW_VALUES",
    "Interval",
    "PairedTest",
    "bootstrap_by_group",
    "bootstrap_mean",
    "bootstrap_shares",
    "holm",
    "mean_difference",
    "paired_differences",
    "paired_test",
    "wilson_share",
]
