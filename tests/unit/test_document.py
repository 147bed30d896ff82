"""Documents: plain data with lines, and nothing but plain data."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetsim import document
from hetsim.document import Node, Source, of, parse, parse_json, read
from hetsim.errors import InputError, Problem

HERE = Source("a.yaml", Path())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def refusal(text: str) -> Problem:
    with pytest.raises(InputError) as error:
        parse(text, HERE)
    return error.value.problems[0]


def test_yaml_1_2_scalars() -> None:
    text = "a: 0x1F\nb: 1_000\nc: 1e-9\nd: 2020-01-01\ne: ~\nf: yes\ng: 'none'\n1: .inf\nh: true\n"
    text += "i: -.INF\nj: 0o17"
    assert parse(text, HERE).plain() == {
        "a": 31, "b": 1000, "c": 1e-9, "d": "2020-01-01", "e": None, "f": "yes", "g": "none", "1": math.inf,
        "h": True, "i": -math.inf, "j": 15,
    }  # fmt: skip
    assert math.isnan(parse("a: .nan", HERE).plain()["a"])


def test_every_value_knows_its_line() -> None:
    tree = parse("a: 1\nb:\n  c:\n    - x\n    - {d: 2}\n", HERE)
    lines = {document.dotted(path): node.line for path, node in tree.walk()}
    assert lines == {"": 1, "a": 1, "b": 2, "b.c": 3, "b.c.0": 4, "b.c.1": 5, "b.c.1.d": 5}


def test_every_duplicate_key_is_told_at_once() -> None:
    with pytest.raises(InputError) as error:
        parse("a: 1\nb: {c: 1, c: 2}\na: 3\n", HERE)
    assert [(p.line, p.path, p.message) for p in error.value.problems] == [
        (2, "b.c", "duplicate key 'c'"),
        (3, "a", "duplicate key 'a'"),
    ]
    assert error.value.problems[1].hint == "it is already on line 1; remove one"


def test_an_alias_stands_for_its_value() -> None:
    assert parse("a: &x {b: [1, 2]}\nc: *x\nd: [*x, *x]", HERE).plain()["d"] == [{"b": [1, 2]}] * 2


def test_an_alias_bomb_is_refused() -> None:
    names = "abcdefghi"
    text = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    text += "".join(f"{n}: &{n} [{', '.join([f'*{p}'] * 9)}]\n" for p, n in itertools.pairwise(names))
    assert refusal(text).message == "the aliases (*name) expand to too much"
    assert refusal("a: &a [*a]").message == "the aliases (*name) expand to too much"


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("", "the file is empty", None),
        ("# only a comment\n", "the file is empty", None),
        ("a: 1\nb: {", "not valid YAML:", 2),
        ("a:\t1\n\tb: 2", "not valid YAML:", None),
        ("a: 1\n---\nb: 2", "not valid YAML: but found another document", 2),
        ("a: *b", "not valid YAML: found undefined alias", 1),
        ("\x00\x01", "not valid YAML: unacceptable character", None),
        ("a: !!python/object/apply:os.system ['true']", "the tag", 1),
        ("a: !mine {b: 1}", "the tag '!mine' is not allowed", 1),
        ("a: !!binary aGk=", "the tag", 1),
        ("a: !!set {b}", "the tag", 1),
        ("a: !!int foo", "'foo' cannot be read as int", 1),
        ("a: " + "9" * 5000, "'9999", 1),
        ("? [a, b]\n: c", "a key must be a word", 1),
        ("[" * 1000, "the file is nested too deeply", None),
    ],
)
def test_what_is_not_plain_yaml_is_refused(text: str, message: str, line: int | None) -> None:
    problem = refusal(text)
    assert problem.file == "a.yaml" and problem.message.startswith(message)
    assert line is None or problem.line == line


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text, HERE)
    except InputError as error:
        assert error.problems[0].file == "a.yaml"


@given(JSON)
def test_json_is_read_as_it_is(data: object) -> None:
    import json

    assert parse_json(json.dumps(data), HERE).plain() == data


@pytest.mark.parametrize("text", ["", "{", '{"a": 1, "a": 2}', "[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_bad_json_is_refused(text: str) -> None:
    with pytest.raises(InputError) as error:
        parse_json(text, HERE)
    assert error.value.problems[0].file == "a.yaml"


def test_json_words_that_are_no_numbers_stay_visible() -> None:
    assert math.isnan(parse_json("NaN", HERE).plain()) and math.isnan(parse_json("Infinity", HERE).plain())


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\xff\xfe\x00", "the file is not UTF-8 text"),
        (b"a" * (document.MAX_BYTES + 1), "the file is larger than 10 MB"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    (tmp_path / "x.yaml").write_bytes(raw)
    with pytest.raises(InputError) as error:
        read(tmp_path / "x.yaml")
    assert error.value.problems == (Problem(message, file=str(tmp_path / "x.yaml")),)


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.yaml"):
        with pytest.raises(InputError, match="the file cannot be read: "):
            read(path)


def test_a_file_below_the_working_folder_is_named_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    tree, raw = read(tmp_path / "x.yaml")
    assert tree.plain() == {"a": 1} and tree.source == Source("x.yaml", tmp_path) and len(raw) == 8


# --- trees ---


def test_a_tree_is_changed_into_a_new_one() -> None:
    tree = parse("a: {b: [1, 2], c: 3}\nd: 4", HERE)
    changed = tree.put(["a", "b", "1"], of(9, HERE)).put(["x", "y"], of("new", HERE))
    assert changed.plain() == {"a": {"b": [1, 9], "c": 3}, "d": 4, "x": {"y": "new"}}
    assert tree.plain() == {"a": {"b": [1, 2], "c": 3}, "d": 4}
    assert changed.child("d") is tree.child("d")


@pytest.mark.parametrize("key", ["2", "-1", "b"])
def test_a_position_that_a_list_has_not_is_refused(key: str) -> None:
    with pytest.raises(InputError, match=f"'{key}' is not a position in a list of 2"):
        parse("a: [1, 2]", HERE).put(["a", key], of(0, HERE))


def test_mappings_merge_deeply_and_lists_are_replaced() -> None:
    base, over = parse("a: {b: 1, c: [1, 2]}\nd: 4", HERE), of({"a": {"c": [3], "e": 5}}, Source("over"))
    merged = base.merge(over)
    assert merged.plain() == {"a": {"b": 1, "c": [3], "e": 5}, "d": 4}
    assert merged.place(("a", "c")).source.file == "over" and merged.place(("a", "b")).source.file == "a.yaml"


def test_the_innermost_node_on_a_path_is_found() -> None:
    tree = parse("a:\n  b: 1\n", HERE)
    assert tree.place(("a", "nothing", "more")).line == 1 and tree.place(("a", "b")).line == 2


def test_only_plain_data_become_a_tree() -> None:
    assert of({"a": (1, 2), 3: None}, HERE).plain() == {"a": [1, 2], "3": None}
    with pytest.raises(InputError, match="object is not plain data"):
        of(object(), HERE)


def test_without_leaves_a_key_out() -> None:
    tree: Node = parse("a: 1\nb: 2", HERE)
    assert tree.without("a").plain() == {"b": 2} and tree.without("z").plain() == tree.plain()
