"""Algorithms against others' implementations of the same, and the parts that they are built of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hetsim.algorithms.builder import Builder, Stored
from hetsim.algorithms.cart_pole import fallen, moved
from hetsim.algorithms.dense_net import DenseNet
from hetsim.algorithms.network import adjacency, edges
from hetsim.algorithms.refinement import hadamard
from hetsim.catalog import locate
from hetsim.errors import InputError
from hetsim.numerics import run
from hetsim.workload import Graph, Tensor, workload_kinds

sklearn = pytest.importorskip("sklearn")


def made(kind: str, **settings: Any) -> Any:
    entry = workload_kinds()[kind]
    return entry(entry.sheet_type(algorithm=kind, **settings), None)


def evaluated(graph: Graph, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every output of a graph, op by op."""
    values = dict(feeds)

    def value(tensor: Tensor | None) -> np.ndarray | None:
        return None if tensor is None else tensor.value if tensor.constant else values[tensor.name]

    for op in graph.ops:
        results = run(op, [value(t) for t in op.inputs])
        values.update({t.name: y for t, y in zip(op.outputs, results, strict=True)})
    return {t.name: values[t.name] for t in graph.outputs}


# --- arithmetic of the builder ---


def test_arithmetic_is_numpys() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((4, 6)).astype("float32"), rng.standard_normal((6, 3)).astype("float32")
    b = Builder("g")
    a, c = b.input("a", (4, 6)), b.input("c", (6, 3))
    outs = {
        "product": (a @ c, x @ y),
        "mixed": ((2.0 - a) * a / (a * a + 1.0), (2 - x) * x / (x * x + 1)),
        "rows": (a.sum(1) + a.norm(1), x.sum(1, keepdims=True) + np.linalg.norm(x, axis=1, keepdims=True)),
        "all": (a.square_sum() - a.mean(), (x**2).sum().reshape(1, 1) - x.mean()),
        "chosen": ((a > 0.5).where(a, -1.0), np.where(x > 0.5, x, -1)),
        "clipped": (a.maximum(-0.5).minimum(0.5), np.clip(x, -0.5, 0.5)),
        "turned": (a.transpose(), x.T),
        "joined": (b.concat(a, a * 2.0), np.hstack([x, 2 * x])),
        "part": (a.split(2)[1] + 0.0, x[2:]),
        "first": (a.argmin(1), x.argmin(axis=1).reshape(-1, 1)),
        "nearest": (a.smallest(2)[1].cast("float32"), np.argsort(x, axis=1)[:, :2]),
        "picked": (c.gather(a.smallest(2)[1]), y[np.argsort(x, axis=1)[:, :2]]),
        "sorted": (a.smallest(6)[0], np.sort(x, axis=1)),
    }
    graph = b.graph([value.named(name) for name, (value, _) in outs.items()])
    found = evaluated(graph, {"a": x, "c": y})
    for name, values in found.items():
        np.testing.assert_allclose(values, outs[name][1], rtol=1e-5, atol=1e-6, err_msg=name)


def test_names_are_the_builders_or_given() -> None:
    b = Builder("g")
    x = b.input("x", (2, 2))
    y = (x + 1.0) * (x + 1.0)
    assert [op.name for op in b.graph([y]).ops] == ["g.add", "g.add_2", "g.mul"]
    y.named("answer")
    graph = b.graph([y])
    assert graph.ops[-1].name == graph.outputs[0].name == "answer"


def test_what_is_stored_is_read_both_ways() -> None:
    w, x = np.arange(6, dtype="float32").reshape(2, 3), np.ones((1, 2), "float32")
    b = Builder("g")
    held = Stored(b, "w", (2, 3), lambda: w)
    there = held.forward(b.input("x", (1, 2)), "there")
    graph = b.graph([held.back(there, "back")])
    assert evaluated(graph, {"x": x})["back"].tolist() == (x @ w @ w.T).tolist()
    assert all(op.matrix is not None and op.matrix.stored is not None for op in graph.ops)


def test_ops_that_must_be_exact_stay_off_arrays() -> None:
    b = Builder("g", exact=True)
    assert b.graph([b.input("x", (2, 2)) + 1.0]).ops[0].exact


# --- float64 twins against others' programs ---


def test_nearest_neighbours_are_scikit_learns() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    knn = made("knn", data="digits[:600]", neighbours=5)
    s = knn.split
    theirs = KNeighborsClassifier(5).fit(s.x, s.y).predict(s.x_test)
    assert (knn._twin(s.x_test) == theirs).mean() > 0.99  # ties are broken differently


def test_ridge_regression_is_scikit_learns() -> None:
    from sklearn.linear_model import Ridge

    part = made("linear_regression", penalty=0.1, tolerance=1e-12, max_iterations=2000)
    s = part.split
    aims = part.aims(s.y)[0]
    theirs = Ridge(alpha=0.1 * len(s.x)).fit(s.x, aims).predict(s.x_test)
    assert part._twin()[0][0] == pytest.approx(theirs, abs=1e-3)


def test_logistic_regression_is_scikit_learns() -> None:
    from sklearn.linear_model import LogisticRegression

    part = made("logistic_regression", penalty=0.05, tolerance=1e-13, max_iterations=5000)
    s = part.split
    theirs = LogisticRegression(C=1 / (0.05 * len(s.x)), max_iter=1000, tol=1e-10).fit(s.x, s.y)
    assert part._twin()[0][1] == pytest.approx(theirs.decision_function(s.x_test), abs=2e-2)


def test_linear_svm_minimises_what_scipy_minimises() -> None:
    from scipy.optimize import minimize

    part = made("linear_svm", data="iris", scale="each", penalty=0.1, rate=0.02, tolerance=1e-12, max_iterations=4000)
    s, aims = part.split, part.aims(part.split.y)[0].astype("float64")
    x = s.x.astype("float64")

    def loss(v: np.ndarray) -> float:
        return float(np.maximum(0, 1 - aims * (x @ v[:4] + v[4])).mean() + 0.05 * (v[:4] ** 2).sum())

    best = minimize(loss, np.zeros(5), method="Powell", options={"xtol": 1e-8, "ftol": 1e-12})
    scores = s.x_test @ best.x[:4] + best.x[4]
    assert part._twin()[0][0] == pytest.approx(scores, abs=0.15)


@pytest.mark.parametrize(("features", "name"), [("gaussian", "GaussianNB"), ("binary", "BernoulliNB")])
def test_naive_bayes_is_scikit_learns(features: str, name: str) -> None:
    from sklearn import naive_bayes

    part = made("naive_bayes", data="digits" if features == "binary" else "wine", features=features, floor=1.0
                if features == "binary" else 1e-3)  # fmt: skip
    s = part.split
    settings = {"binarize": 0.0, "alpha": 1.0} if features == "binary" else {"var_smoothing": 1e-6}
    theirs = getattr(naive_bayes, name)(**settings).fit(s.x, s.y).predict(s.x_test)
    one = np.ones((len(s.x_test), 1))
    lines = np.hstack([s.x_test > 0, one] if features == "binary" else [s.x_test, s.x_test.astype("float64") ** 2, one])
    assert ((lines @ part.likelihoods).argmax(axis=1) == theirs).mean() > 0.98


def test_components_are_scikit_learns() -> None:
    from sklearn.decomposition import PCA

    theirs = PCA(4).fit(made("pca")._points).explained_variance_ratio_.sum()
    for method, rest in (("power", {}), ("oja", {"max_iterations": 3000})):
        part = made("pca", method=method, tolerance=1e-9, **rest)
        assert part._explained(part._twin(0)[0]) == pytest.approx(theirs, rel=1e-3)


def test_the_kernel_machine_is_optimal() -> None:
    """The dual of quadprog's form: no coordinate can rise, none that can move has a slope."""
    part = made("kernel_svm", data="iris", tolerance=1e-9, max_iterations=20000)
    s, aims = part.split, part._aims.astype("float64")
    x = s.x.astype("float64")
    gram = np.exp(-((x[:, None] - x) ** 2).sum(axis=2) / x.shape[1]) + 1
    alpha = np.zeros(aims.shape)
    for _ in range(20000):
        alpha = np.clip(alpha + (1 - aims * (aims * alpha @ gram)) / gram.sum(axis=1).max(), 0, 1)
    from sklearn.svm import SVC

    labels = np.where(s.y == 1, 1, -1)
    theirs = SVC(C=1.0, kernel=lambda a, b: np.exp(-((a[:, None] - b) ** 2).sum(axis=2) / 4) + 1).fit(x, labels)
    scores = (np.exp(-((s.x_test[:, None] - x) ** 2).sum(axis=2) / 4) + 1) @ (aims * alpha).T
    mine = np.sign(scores[:, 1])
    assert (mine == theirs.predict(s.x_test)).mean() > 0.95
    assert abs(part._twin()[1] - int((alpha > 1e-9).any(axis=0).sum())) <= 0.1 * len(x)


def test_backpropagation_is_the_derivative() -> None:
    net, rng = DenseNet("net", (5, 7, 4, 3)), np.random.default_rng(2)
    weights = {k: v.astype("float64") + rng.normal(0, 0.1, v.shape) for k, v in net.initial(rng).items()}
    x, aims = rng.standard_normal((6, 5)), rng.standard_normal((6, 3))

    def loss(w: dict[str, np.ndarray]) -> float:
        return float(((net.forward_twin(x, w)[-1] - aims) ** 2).sum() / 2)

    layers = net.forward_twin(x, weights)
    slopes, _ = net.back_twin(layers, layers[-1] - aims, weights)
    for name, slope in slopes.items():
        at = tuple(rng.integers(0, n) for n in slope.shape)
        moved_up, moved_down = ({**weights, name: weights[name].copy()} for _ in range(2))
        moved_up[name][at] += 1e-6
        moved_down[name][at] -= 1e-6
        assert slope[at] == pytest.approx((loss(moved_up) - loss(moved_down)) / 2e-6, rel=1e-4, abs=1e-7)


def test_the_cut_of_the_karate_club_is_the_best_there_is() -> None:
    cp_model = pytest.importorskip("ortools.sat.python.cp_model")
    pairs = edges("zachary_1977.csv", locate("graphs/zachary_1977_max_cut").parent)
    model = cp_model.CpModel()
    side = [model.new_bool_var(str(i)) for i in range(pairs.max() + 1)]
    cut = []
    for a, b in pairs.tolist():
        crossing = model.new_bool_var("")
        model.add(crossing <= side[a] + side[b])
        model.add(crossing <= 2 - side[a] - side[b])
        cut.append(crossing)
    model.maximize(sum(cut))
    solver = cp_model.CpSolver()
    assert solver.solve(model) == cp_model.OPTIMAL
    assert solver.objective_value == 61


def test_ranks_are_the_eigenvector() -> None:
    folder = locate("graphs/zachary_1977_pagerank").parent
    entry = workload_kinds()["pagerank"]
    part = entry(entry.sheet_type(algorithm="pagerank", edges="zachary_1977.csv", tolerance=1e-12), folder)
    n = len(part._links)
    google = 0.85 * part._stochastic + 0.15 / n
    values, vectors = np.linalg.eig(google)
    top = vectors[:, values.real.argmax()].real
    assert part._twin()[0] == pytest.approx(top / top.sum(), abs=1e-9)
    assert part._links.sum() == 2 * 78


def test_probes_are_orthogonal() -> None:
    h = hadamard(50)
    assert h.shape == (64, 50)
    assert (np.abs(h) == 1).all()
    assert (h.T @ h == 64 * np.eye(50)).all()


def test_an_upright_cart_keeps_its_energy_and_falls_without_help() -> None:
    states = np.array([[0, 0, 0.01, 0], [0, 0, -0.01, 0]], float)
    pushed = moved(states, np.array([1, 0]))
    assert pushed[0] == pytest.approx(-pushed[1])  # the mirror image
    for _ in range(200):
        states = moved(states, np.array([1, 1]))
        if fallen(states).all():
            return
    pytest.fail("a pole stays up that is pushed to one side for ever")


# --- bad input ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from,to\n1,2\n3,3\n", "line 3 of 'e.csv' is no edge: '3,3'"),
        ("from,to\n1,b\n", "line 2 of 'e.csv' is no edge: '1,b'"),
        ("from,to\n1,2,3\n", "line 2 of 'e.csv' is no edge"),
        ("from,to\n", "edges 'e.csv' has no edge"),
    ],
)
def test_bad_edges_are_told_by_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "e.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        edges("e.csv", tmp_path)


def test_a_missing_edge_file_is_told() -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        edges("nowhere.csv", Path("/"))


def test_edges_are_numbered_and_counted_once(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("from,to\n10,30\n30,20\n10,30\n")
    pairs = edges("e.csv", tmp_path)
    assert pairs.tolist() == [[0, 2], [2, 1]]
    assert adjacency(pairs).tolist() == [[0, 0, 1], [0, 0, 1], [1, 1, 0]]
    assert adjacency(pairs, directed=True).tolist() == [[0, 0, 1], [0, 0, 0], [0, 1, 0]]


def test_labels_must_fit_the_algorithm(tmp_path: Path) -> None:
    entry = workload_kinds()["knn"]
    (tmp_path / "x.csv").write_text("a,label\n1,0.5\n2,1.5\n3,0.5\n")
    (tmp_path / "y.csv").write_text("1,2\n2,3\n")
    for name, message in (("x.csv", "are no classes"), ("y.csv", "have no labels")):
        with pytest.raises(InputError, match=message):
            entry(entry.sheet_type(algorithm="knn", data=name), tmp_path).split  # noqa: B018


def test_a_csv_of_ones_own_is_learnt(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    x = rng.standard_normal((60, 3))
    rows = "\n".join(f"{a:.4f},{b:.4f},{c:.4f},{2 * a - b + 0.25:.4f}" for a, b, c in x)
    (tmp_path / "own.csv").write_text("a,b,c,target\n" + rows + "\n")
    entry = workload_kinds()["linear_regression"]
    part = entry(entry.sheet_type(algorithm="linear_regression", data="own.csv"), tmp_path)
    assert part.quality(part._twin()[0], part.split.y_test)["explained_variance"] > 0.95
