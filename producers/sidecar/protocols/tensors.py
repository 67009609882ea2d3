"""Tensors of the Open Inference Protocol: JSON data, flat or nested, and raw bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import chain
from math import prod
from typing import Any

from producers.sidecar.protocols.protocol import UndecodableError, Value

_CODES = {
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
    "BOOL": "?",
}


def split_binary(body: bytes | None, json_length: str | None) -> tuple[bytes | None, memoryview]:
    """The JSON part and the raw part of a body with `Inference-Header-Content-Length`.

    >>> json_part, raw = split_binary(b"{}raw", "2")
    >>> json_part, bytes(raw)
    (b'{}', b'raw')
    """
    if body is None or json_length is None:
        return body, memoryview(b"")
    if not json_length.isascii() or not json_length.isdigit() or int(json_length) > len(body):
        raise UndecodableError("header_length")
    length = int(json_length)
    return body[:length], memoryview(body)[length:]


class Tensor:
    """One named tensor: its shape and its values in row-major order."""

    def __init__(self, name: str, shape: tuple[int, ...], values: list[Value]) -> None:
        """Keep the values; their number must be the shape's product."""
        if prod(shape) != len(values) or not shape:
            raise UndecodableError("shape")
        self.name = name
        self.shape = shape
        self.values = values

    @property
    def width(self) -> int:
        """Values of one row."""
        return prod(self.shape[1:])

    def rows(self) -> list[list[Value]]:
        """One list of values for each index of the first dimension.

        >>> Tensor("x", (2, 2), [1, 2, 3, 4]).rows()
        [[1, 2], [3, 4]]
        """
        width, values = self.width, self.values
        if len(values) == width:
            return [values]
        return [values[at : at + width] for at in range(0, len(values), width)] if width else []

    def row_items(self) -> list[Value]:
        """One item a row: the value itself where a row holds one, else its list.

        >>> Tensor("x", (2, 1), [1, 2]).row_items()
        [1, 2]
        """
        return self.values if self.width == 1 else self.rows()


def read_tensors(described: Any, raw: memoryview, *, strict: bool = False) -> list[Tensor]:
    """The tensors of `inputs` or `outputs`; raw data is taken in their order.

    `strict` wants a datatype for JSON data too, as the protocol does; some servers do not.

    Raises:
        UndecodableError: a tensor has no shape, another number of values, or an unknown type.
    """
    if not isinstance(described, list):
        raise UndecodableError("no_tensors")
    tensors = []
    for tensor in described:
        if not isinstance(tensor, dict):
            raise UndecodableError("no_tensors")
        shape = tensor.get("shape")
        if not isinstance(shape, list) or set(map(type, shape)) != {int} or min(shape) < 0:
            raise UndecodableError("shape")
        if strict and not isinstance(tensor.get("datatype"), str):
            raise UndecodableError("datatype")
        parameters = tensor.get("parameters")
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if size is None:
            values = _flat(tensor.get("data"))
        elif type(size) is not int or not 0 <= size <= len(raw):
            raise UndecodableError("binary_size")
        else:
            values = unpack_raw(str(tensor.get("datatype")), raw[:size])
            raw = raw[size:]
        tensors.append(Tensor(str(tensor.get("name", "")), tuple(shape), values))
    return tensors


def _flat(data: Any) -> list[Value]:
    """Nested lists as one; one that is flat already is taken as it is."""
    if not isinstance(data, list):
        raise UndecodableError("no_data")
    flat: list[Value] = data
    while list in (kinds := set(map(type, flat))):
        if kinds != {list}:
            raise UndecodableError("shape")
        flat = list(chain.from_iterable(flat))
    return flat


def unpack_raw(datatype: str, raw: memoryview) -> list[Value]:
    r"""The values of raw little-endian bytes.

    >>> unpack_raw("INT16", memoryview(b"\1\0\2\0"))
    [1, 2]
    """
    if datatype == "BYTES":
        return list(_byte_strings(raw))
    if datatype == "BF16":
        # The upper half of a float32.
        raw = memoryview(b"".join(b"\0\0" + raw[at : at + 2] for at in range(0, len(raw), 2)))
        datatype = "FP32"
    code = _CODES.get(datatype)
    if code is None:
        raise UndecodableError("datatype")
    width = struct.calcsize("<" + code)
    if len(raw) % width:
        raise UndecodableError("binary_size")
    return list(struct.unpack(f"<{len(raw) // width}{code}", raw))


def _byte_strings(raw: memoryview) -> Iterator[str]:
    while raw:
        if len(raw) < 4:
            raise UndecodableError("binary_size")
        length = int.from_bytes(raw[:4], "little")
        if length > len(raw) - 4:
            raise UndecodableError("binary_size")
        yield bytes(raw[4 : 4 + length]).decode("utf-8", "replace")
        raw = raw[4 + length :]
