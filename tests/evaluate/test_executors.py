"""The process pool: what keeps it from waiting for ever."""

from __future__ import annotations

import threading
import warnings

from networks import toy_backbone, toy_data

from kshot_viz.data.episodes import sample_episodes
from kshot_viz.evaluate import executors as local
from kshot_viz.evaluate.evaluate import evaluate
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.methods.config import FinetuneConfig

WARNING = (
    "A worker stopped while some jobs were given to the executor. This can be caused by a too "
    "short worker timeout or by a memory leak."
)


def test_a_stopped_worker_is_no_error_though_warnings_are(monkeypatch):
    """As loky's manager thread warns, while the jobs run and the caller's warnings are errors."""
    data = toy_data(3, 24)
    episodes = sample_episodes(data, way=3, shot=1, query=5, n=2, val_share=0, seed=0)
    died: list[str] = []

    def warn() -> None:
        try:
            warnings.warn(WARNING, UserWarning, stacklevel=1)
        except UserWarning as error:
            died.append(str(error))

    def pool(**_):
        def run(tasks):
            for function, args, kwargs in tasks:
                thread = threading.Thread(target=warn)
                thread.start()
                thread.join()
                yield function(*args, **kwargs)

        return run

    monkeypatch.setattr("joblib.Parallel", pool)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        candidates = [Candidate(None, FinetuneConfig(steps=1))]
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("error")
            rows = evaluate(toy_backbone(), data, episodes, candidates, executor="processes")
        assert (len(rows), died) == (2, [])
        assert warnings.filters == before


def test_the_filter_goes_with_the_call():
    before = list(warnings.filters)
    with local._worker_warning_is_no_error():
        assert len(warnings.filters) == len(before) + 1
    assert warnings.filters == before
