"""Pictures and pages of what was found: Axes in, Axes out, no pyplot."""

from kshot_viz.viz.accuracy import plot_accuracy
from kshot_viz.viz.chosen import plot_chosen
from kshot_viz.viz.filters import plot_filters
from kshot_viz.viz.group_sizes import plot_group_sizes
from kshot_viz.viz.history import plot_history
from kshot_viz.viz.neuron_map import plot_neuron_map
from kshot_viz.viz.png import save_figure, to_png
from kshot_viz.viz.policy import plot_entropy, plot_policy
from kshot_viz.viz.report import write_report
from kshot_viz.viz.samplers import plot_best_so_far, plot_shrinkage
from kshot_viz.viz.search import plot_search
from kshot_viz.viz.similarity import plot_similarity
from kshot_viz.viz.step_size import plot_step_size
from kshot_viz.viz.text import summary_markdown, summary_text

__all__ = [
    "plot_accuracy",
    "plot_best_so_far",
    "plot_chosen",
    "plot_entropy",
    "plot_filters",
    "plot_group_sizes",
    "plot_history",
    "plot_neuron_map",
    "plot_policy",
    "plot_search",
    "plot_shrinkage",
    "plot_similarity",
    "plot_step_size",
    "save_figure",
    "summary_markdown",
    "summary_text",
    "to_png",
    "write_report",
]
