"""Figures and reports of neurons, groups, searches and comparisons.

Every plot takes ``ax=None`` and returns the Axes; pyplot is never used. Each name in ``__all__`` is
imported from its module at first use.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kshot_viz.viz.comparison.changed_predictions import plot_changed as plot_changed
    from kshot_viz.viz.comparison.confusion import plot_confusion as plot_confusion
    from kshot_viz.viz.comparison.episode_dots import plot_episodes as plot_episodes
    from kshot_viz.viz.comparison.grouping_scores import plot_rescoring as plot_rescoring
    from kshot_viz.viz.comparison.loss_curves import plot_history as plot_history
    from kshot_viz.viz.comparison.measure_plots import plot_accuracy as plot_accuracy
    from kshot_viz.viz.comparison.measure_plots import plot_measure as plot_measure
    from kshot_viz.viz.comparison.step_size import plot_step_size as plot_step_size
    from kshot_viz.viz.neurons.filters import plot_filters as plot_filters
    from kshot_viz.viz.neurons.gradient_norms import plot_gradients as plot_gradients
    from kshot_viz.viz.neurons.group_sizes import plot_group_sizes as plot_group_sizes
    from kshot_viz.viz.neurons.neuron_map import plot_neuron_map as plot_neuron_map
    from kshot_viz.viz.neurons.responses import plot_class_activations as plot_class_activations
    from kshot_viz.viz.neurons.responses import plot_top_images as plot_top_images
    from kshot_viz.viz.neurons.similarity import plot_similarity as plot_similarity
    from kshot_viz.viz.report.report import write_report as write_report
    from kshot_viz.viz.report.summary_text import summary_markdown as summary_markdown
    from kshot_viz.viz.report.summary_text import summary_text as summary_text
    from kshot_viz.viz.search.policy import plot_entropy as plot_entropy
    from kshot_viz.viz.search.policy import plot_policy as plot_policy
    from kshot_viz.viz.search.reward_curves import plot_search as plot_search
    from kshot_viz.viz.search.sampler_curves import plot_best_so_far as plot_best_so_far
    from kshot_viz.viz.search.sampler_curves import plot_shrinkage as plot_shrinkage
    from kshot_viz.viz.search.search_choices import plot_chosen as plot_chosen
    from kshot_viz.viz.style.png import save_figure as save_figure
    from kshot_viz.viz.style.png import to_png as to_png
    from kshot_viz.viz.style.png import to_svg as to_svg

# The public names by the module that defines them, room by room.
_HOMES = {
    "neurons.neuron_map": ("plot_neuron_map",),
    "neurons.similarity": ("plot_similarity",),
    "neurons.group_sizes": ("plot_group_sizes",),
    "neurons.filters": ("plot_filters",),
    "neurons.responses": ("plot_class_activations", "plot_top_images"),
    "neurons.gradient_norms": ("plot_gradients",),
    "search.reward_curves": ("plot_search",),
    "search.policy": ("plot_entropy", "plot_policy"),
    "search.search_choices": ("plot_chosen",),
    "search.sampler_curves": ("plot_best_so_far", "plot_shrinkage"),
    "comparison.measure_plots": ("plot_accuracy", "plot_measure"),
    "comparison.step_size": ("plot_step_size",),
    "comparison.episode_dots": ("plot_episodes",),
    "comparison.confusion": ("plot_confusion",),
    "comparison.changed_predictions": ("plot_changed",),
    "comparison.loss_curves": ("plot_history",),
    "comparison.grouping_scores": ("plot_rescoring",),
    "report.report": ("write_report",),
    "report.summary_text": ("summary_markdown", "summary_text"),
    "style.png": ("save_figure", "to_png", "to_svg"),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}
__all__ = list(_MODULES)


# Hidden from type checkers, which would otherwise let any misspelt name pass.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            close = get_close_matches(name, _MODULES, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise AttributeError(f"module 'kshot_viz.viz' has no attribute {name!r}.{hint}")
        value = getattr(import_module(f"kshot_viz.viz.{_MODULES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
