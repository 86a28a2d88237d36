"""Laws of Mapper graphs: members and intervals, edges and shared rows, order and known shapes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kshot_viz.analysis import mapper_graph
from kshot_viz.analysis.topology.cover import bins, cover_bounds
from kshot_viz.analysis.topology.lenses import LENSES
from kshot_viz.analysis.topology.points import canonical_order
from kshot_viz.errors import KShotKeyError, KShotValueError

# UMAP takes seconds; it has a test of its own.
QUICK = [one for one in LENSES if one != "umap"]

CLUSTERERS = ("dbscan", "agglomerative", "hdbscan")


def cloud(seed, n=120, features=3):
    rng = np.random.default_rng(seed)
    centres = rng.normal(scale=4, size=(3, features))
    return centres[rng.integers(3, size=n)] + rng.normal(size=(n, features))


def circle(n=300):
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, n)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def described(graph, rows=None):
    """Return nodes and edges, with members renamed."""
    names = np.arange(graph.n_points) if rows is None else rows
    nodes = [
        (n.name, n.bin, tuple(sorted(names[n.members].tolist())), n.lens, n.norm,
         tuple(n.activation), n.classes, n.shares)
        for n in graph.nodes
    ]  # fmt: skip
    return nodes, graph.edges.tolist(), graph.shared.tolist(), graph.settings


graphs = st.builds(
    lambda seed, lens, clusterer, cover, overlap, intervals, kind: mapper_graph(
        cloud(seed).astype(kind),
        lens,
        labels=np.random.default_rng(seed).integers(3, size=120),
        intervals=intervals,
        overlap=overlap,
        cover=cover,
        clusterer=clusterer,
        min_samples=3,
        epsilon=None if clusterer == "hdbscan" else 2.5,
    ),
    st.integers(0, 50),
    st.sampled_from(QUICK),
    st.sampled_from(CLUSTERERS),
    st.sampled_from(["uniform", "balanced"]),
    st.sampled_from([0.2, 0.5, 0.7]),
    st.integers(2, 6),
    st.sampled_from(["float32", "float64"]),
)


@settings(max_examples=25, deadline=None)
@given(graph=graphs)
def test_members_lie_in_their_interval_and_edges_are_shared_rows(graph):
    for node in graph.nodes:
        for (low, high), values in zip(
            graph.interval(node), graph.lens[node.members].T, strict=True
        ):
            assert low <= values.min()
            assert values.max() <= high
        assert (np.diff(node.members) > 0).all()
    sets = [set(node.members.tolist()) for node in graph.nodes]
    meeting = {
        (a, b): (len(sets[a] & sets[b]), len(sets[a] & sets[b]) / len(sets[a] | sets[b]))
        for a, b in combinations(range(len(sets)), 2)
        if sets[a] & sets[b]
    }
    pairs = zip(graph.shared.tolist(), graph.jaccard.tolist(), strict=True)
    assert dict(zip(map(tuple, graph.edges.tolist()), pairs, strict=True)) == meeting
    covered = set().union(*sets)
    assert covered | set(graph.noise.tolist()) == set(range(graph.n_points))
    assert not covered & set(graph.noise.tolist())
    found = graph.summary()
    assert found.covered + found.noise == graph.n_points
    assert found.covered == len(covered)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 99),
    lens=st.sampled_from([*QUICK, "given"]),
    clusterer=st.sampled_from(CLUSTERERS),
    rounded=st.booleans(),
)
def test_the_order_of_rows_does_not_matter(seed, lens, clusterer, rounded):
    points = cloud(seed)
    # Equal rows, equal distances and equal lenses too.
    points = np.round(points) if rounded else points
    order = np.random.default_rng(seed).permutation(len(points))
    score = points[:, 0] - points[:, 2]
    options = {"clusterer": clusterer, "intervals": 4, "min_samples": 2}
    first = mapper_graph(points, score if lens == "given" else lens, **options)
    turned = mapper_graph(points[order], score[order] if lens == "given" else lens, **options)
    if not rounded:
        assert described(turned, order) == described(first)
        assert (turned.lens == first.lens[order]).all()
    # Rows that are equal may be exchanged: nodes are those of the same values.
    values = [
        [sorted(map(tuple, p[n.members].tolist())) for n in g.nodes]
        for g, p in ((first, points), (turned, points[order]))
    ]
    assert values[0] == values[1]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 99),
    intervals=st.integers(2, 30),
    overlap=st.floats(0.05, 0.9),
    cover=st.sampled_from(["uniform", "balanced"]),
    dimensions=st.integers(1, 2),
)
def test_bins_are_the_rows_between_their_bounds(seed, intervals, overlap, cover, dimensions):
    lens = np.round(np.random.default_rng(seed).normal(size=(60, dimensions)), 1)
    bounds = [cover_bounds(one, intervals, overlap, cover) for one in lens.T]
    found = dict(bins(lens, bounds))
    for where in np.ndindex(*[intervals] * dimensions):
        ends = [one[at] for one, at in zip(bounds, where, strict=True)]
        inside = [(v >= e[0]) & (v <= e[1]) for v, e in zip(lens.T, ends, strict=True)]
        rows = np.flatnonzero(np.all(inside, axis=0))
        assert found.get(where, np.array([])).tolist() == rows.tolist()
    assert set(np.concatenate(list(found.values()))) == set(range(60))


@pytest.mark.parametrize(
    ("rows", "intervals"), [(10, 5), (75, 5), (120, 8), (150, 10), (300, 20), (1797, 20)]
)
def test_few_rows_have_few_intervals_by_default(rows, intervals):
    graph = mapper_graph(np.linspace(0, 1, rows)[:, None], epsilon=0.5, min_samples=1)
    assert graph.settings["intervals"] == len(graph.bounds[0]) == intervals


def test_intervals_of_a_balanced_cover_hold_equally_many_rows():
    lens = np.exp(np.random.default_rng(0).normal(size=1000))
    bounds = cover_bounds(lens, 10, 0.25, "balanced")
    sizes = [((lens >= low) & (lens <= high)).sum() for low, high in bounds]
    assert max(sizes[1:-1]) - min(sizes[1:-1]) <= 1


def test_neighbouring_intervals_share_the_stated_part_of_their_length():
    bounds = cover_bounds(np.array([0.0, 10.0]), 5, 0.3, "uniform")
    length = np.diff(bounds, axis=1).ravel()
    assert np.allclose((bounds[:-1, 1] - bounds[1:, 0]) / length[1:], 0.3)


@pytest.mark.parametrize("lens", ["pca", "pca2"])
def test_a_circle_has_one_loop(lens):
    points = circle()
    graph = mapper_graph(points, "pca", intervals=8, epsilon=0.3, min_samples=3)
    found = graph.summary()
    assert (found.components, found.loops, found.noise) == (1, 1, 0)
    shifted = mapper_graph(points + 3, lens, intervals=5, overlap=0.2, epsilon=0.4, min_samples=2)
    assert shifted.summary().components == 1
    assert shifted.summary().loops >= 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Tensorflow not installed")
def test_umap_is_a_lens_of_two_coordinates_whatever_the_order_of_the_rows():
    rng = np.random.default_rng(3)
    points = np.concatenate([rng.normal(size=(40, 4)), rng.normal(size=(40, 4)) + 9])
    order = rng.permutation(80)
    first, second = (
        mapper_graph(one, "umap", intervals=4, epsilon=4.0, min_samples=3)
        for one in (points, points[order])
    )
    assert first.lens.shape == (80, 2)
    assert np.array_equal(first.lens[order], second.lens)
    assert first.summary().components >= 2


@pytest.mark.parametrize("clusterer", CLUSTERERS)
def test_two_blobs_are_two_components(clusterer):
    rng = np.random.default_rng(1)
    grid = rng.uniform(-1, 1, size=(150, 2))
    points = np.concatenate([grid, grid + np.array([0.0, 40.0])])
    labels = np.repeat(["low", "high"], 150)
    graph = mapper_graph(
        points, points[:, 0], labels=labels, intervals=4, overlap=0.4, clusterer=clusterer,
        epsilon=None if clusterer == "hdbscan" else 2.0, min_samples=3,
    )  # fmt: skip
    found = graph.summary()
    if clusterer != "hdbscan":
        assert (found.components, found.loops, found.noise) == (2, 0, 0)
    assert set(graph.frame()["purity"]) == {1.0}
    assert set(graph.frame()["top_class"]) == {"low", "high"}


def test_a_star_has_a_branch():
    arm = np.linspace(0, 5, 100)[:, None]
    ends = np.array([[0.0, 1.0], [0.87, -0.5], [-0.87, -0.5]])
    points = np.concatenate([arm * one for one in ends])
    graph = mapper_graph(points, intervals=6, overlap=0.4, epsilon=0.3, min_samples=3)
    found = graph.summary()
    assert (found.components, found.loops, found.branches) == (1, 0, 1)


def test_nodes_are_means_and_most_frequent_labels_of_their_rows():
    points = cloud(3)
    labels = np.array(["a", "b", "b", "c", "d", "d"] * 20)
    graph = mapper_graph(points, labels=labels, intervals=3, epsilon=3.0)
    node = max(graph.nodes, key=lambda one: one.size)
    own, names = points[node.members], labels[node.members]
    assert np.allclose(node.activation, own.mean(axis=0))
    assert np.isclose(node.norm, np.linalg.norm(own, axis=1).mean())
    assert np.isclose(node.lens[0], node.norm)
    assert len(node.classes) == 3
    shares = [(names == one).mean() for one in node.classes]
    assert np.allclose(node.shares, shares)
    assert list(node.shares) == sorted(shares, reverse=True)
    assert max((names == one).mean() for one in "abcd") == node.shares[0]
    assert node in graph.nodes_of(int(node.members[0]))


def test_equal_to_keplermapper():
    kmapper = pytest.importorskip("kmapper")
    from sklearn.cluster import DBSCAN, AgglomerativeClustering

    for seed, intervals, overlap in [(0, 5, 0.3), (1, 10, 0.5), (2, 7, 0.65)]:
        points = cloud(seed, n=300)
        points = points[canonical_order(points)]
        for lens in (np.linalg.norm(points, axis=1), points[:, :2]):
            for clusterer in (
                DBSCAN(eps=0.9, min_samples=4),
                AgglomerativeClustering(None, distance_threshold=2.0, linkage="average"),
            ):
                density = isinstance(clusterer, DBSCAN)
                values = lens.reshape(300, -1)
                if not density and values.shape[1] == 2:
                    continue  # It gives bins of one row to scikit-learn, which refuses them.
                found = kmapper.KeplerMapper().map(
                    values,
                    points,
                    clusterer=clusterer,
                    cover=kmapper.Cover(intervals, overlap),
                )
                graph = mapper_graph(
                    points,
                    values,
                    intervals=intervals,
                    overlap=overlap,
                    clusterer="dbscan" if density else "agglomerative",
                    epsilon=0.9 if density else 2.0,
                    min_samples=4 if density else 1,
                )
                theirs = {tuple(sorted(rows)): name for name, rows in found["nodes"].items()}
                ours = {tuple(node.members.tolist()): node.name for node in graph.nodes}
                assert set(ours) == set(theirs)
                links = {
                    frozenset((tuple(sorted(found["nodes"][a])), tuple(sorted(found["nodes"][b]))))
                    for a, others in found["links"].items()
                    for b in others
                }
                own = [tuple(node.members.tolist()) for node in graph.nodes]
                assert {frozenset((own[a], own[b])) for a, b in graph.edges} == links


# ---- bad input --------------------------------------------------------------------------------

GOOD = cloud(0)


@pytest.mark.parametrize(
    ("points", "options", "words"),
    [
        (GOOD[:1], {}, "at least two rows"),
        (GOOD[:, 0], {}, "shape"),
        (np.ones((20, 3)), {}, "All 20 rows"),
        (np.where(GOOD > 5, np.nan, GOOD), {}, "finite"),
        (np.array([["a", "b"]]), {}, "numbers"),
        (GOOD * 1e30, {}, "Divide them"),
        (circle(), {}, "same for all rows"),
        (GOOD, {"lens": np.ones(120)}, "same for all rows"),
        (GOOD, {"lens": np.arange(119.0)}, "120 rows"),
        (GOOD, {"lens": np.full(120, np.inf)}, "finite"),
        (GOOD, {"lens": np.zeros((120, 3))}, "one or two numbers"),
        (GOOD, {"lens": object()}, "array of numbers"),
        (GOOD, {"labels": ["a"] * 119}, "119 labels"),
        (GOOD, {"labels": "a" * 120}, "a text"),
        (GOOD, {"labels": 3}, "list"),
        (GOOD, {"intervals": 1}, "integer >= 2"),
        (GOOD, {"intervals": 2.5}, "integer >= 2"),
        (GOOD, {"overlap": 0}, "> 0"),
        (GOOD, {"overlap": 1.0}, "between 0 and 1"),
        (GOOD, {"overlap": -0.2}, "> 0"),
        (GOOD, {"epsilon": 0}, "> 0"),
        (GOOD, {"epsilon": 1.0, "clusterer": "hdbscan"}, "takes no `epsilon`"),
        (GOOD, {"min_samples": 0}, "integer >= 1"),
        (GOOD, {"seed": -1}, "integer >= 0"),
        (GOOD, {"min_samples": 121}, "largest bin"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(points, options, words):
    with pytest.raises(KShotValueError, match=words):
        mapper_graph(points, **options)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"lens": "norms"}, "'norm'"),
        ({"cover": "uniforn"}, "'uniform'"),
        ({"clusterer": "DBSCAN"}, "must be one of"),
    ],
)
def test_unknown_names(options, hint):
    with pytest.raises(KShotKeyError, match=hint):
        mapper_graph(GOOD, **options)


@pytest.mark.parametrize("clusterer", ["dbscan", "agglomerative"])
def test_where_all_is_noise_the_message_says_which_epsilon_finds_a_cluster(clusterer):
    options = {"clusterer": clusterer, "intervals": 4}
    with pytest.raises(KShotValueError, match="are noise") as caught:
        mapper_graph(GOOD, epsilon=1e-6, **options)
    stated = float(str(caught.value).split("; with epsilon=")[1].split(" one has")[0])
    assert mapper_graph(GOOD, epsilon=stated, **options).nodes
    with pytest.raises(KShotValueError, match="are noise"):
        mapper_graph(GOOD, epsilon=0.95 * stated, **options)
