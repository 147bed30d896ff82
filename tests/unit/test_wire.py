"""Protocol buffers read without a schema, against Google's own library."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import AttributeProto, TensorProto

from hetsim.frontends.wire import fields, floats, integers, messages, signed, text

INT64 = st.integers(-(2**63), 2**63 - 1)


@given(dims=st.lists(INT64), name=st.text(), kind=st.integers(0, 2**31 - 1), raw=st.binary())
def test_messages_read_as_the_library_wrote_them(dims: list[int], name: str, kind: int, raw: bytes) -> None:
    tensor = TensorProto(dims=dims, name=name, data_type=kind, raw_data=raw)
    found = fields(memoryview(tensor.SerializeToString()))
    assert integers(found.get(1, [])) == dims
    assert text(found.get(8)) == name
    assert found[2] == [kind]
    assert bytes(found[9][0]) == raw


@given(numbers=st.lists(st.floats(width=32, allow_nan=False)), whole=st.lists(INT64), one=INT64)
def test_numbers_packed_or_not(numbers: list[float], whole: list[int], one: int) -> None:
    found = fields(memoryview(AttributeProto(floats=numbers, ints=whole, i=one).SerializeToString()))
    assert floats(found.get(7, [])) == numbers
    assert integers(found.get(8, [])) == whole
    assert signed(found[3][0]) == one
    packed = fields(memoryview(TensorProto(int64_data=whole, float_data=numbers).SerializeToString()))
    assert integers(packed.get(7, [])) == whole
    assert floats(packed.get(4, [])) == numbers


def test_nested_messages_and_fixed_sizes() -> None:
    inner = AttributeProto(name="a", t=TensorProto(name="t", double_data=[1.5]))
    (tensor,) = messages(fields(memoryview(inner.SerializeToString()))[5])
    assert text(tensor[8]) == "t"
    assert struct.unpack("<d", tensor[10][0]) == (1.5,)
    assert messages(None) == []
    assert text(None) == ""


@given(st.binary(max_size=200))
def test_garbage_is_a_value_error_or_something_harmless(data: bytes) -> None:
    try:
        found = fields(memoryview(data))
    except ValueError:
        return
    assert sum(len(values) for values in found.values()) <= len(data)


@pytest.mark.parametrize(
    "data",
    [b"\x0a", b"\x0a\x05abc", b"\x08", b"\x08\xff", b"\x08" + b"\xff" * 11, b"\x0b", b"\x09\x00\x00", b"\x02\x00"],
)
def test_what_is_cut_short_or_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut short|not a message"):
        fields(memoryview(data))
    with pytest.raises(ValueError, match="not floats"):
        floats([memoryview(b"abc")])
