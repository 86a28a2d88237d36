"""Pictures and pages of what was found: Axes in, Axes out, no pyplot."""

from kshot_viz.viz.comparison.accuracy import plot_accuracy
from kshot_viz.viz.comparison.history import plot_history
from kshot_viz.viz.comparison.step_size import plot_step_size
from kshot_viz.viz.neurons.filters import plot_filters
from kshot_viz.viz.neurons.group_sizes import plot_group_sizes
from kshot_viz.viz.neurons.neuron_map import plot_neuron_map
from kshot_viz.viz.neurons.similarity import plot_similarity
from kshot_viz.viz.report.report import write_report
from kshot_viz.viz.report.text import summary_markdown, summary_text
from kshot_viz.viz.search.policy import plot_entropy, plot_policy
from kshot_viz.viz.search.rewards import plot_search
from kshot_viz.viz.search.samplers import plot_best_so_far, plot_shrinkage
from kshot_viz.viz.search.search_choices import plot_chosen
from kshot_viz.viz.style.png import save_figure, to_png

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
