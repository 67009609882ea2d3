"""Segments of a request: what its headers, its query or its features say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from inferwatch.events.canonical import value_text
from producers.sidecar.exchange import Exchange
from producers.sidecar.protocols.protocol import Value

_LONGEST = 256


class Segmenter:
    """Reads the configured segments; one that is not there is absent.

    >>> exchange = Exchange(target="/v1/models/m:predict?tenant=7")
    >>> exchange.request.headers.append((b"X-Region", b"eu"))
    >>> segmenter = Segmenter({"region": "header:x-region", "tenant": "query:tenant"})
    >>> segmenter.of_request(exchange)
    {'region': 'eu', 'tenant': '7'}
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        """Read the sources once."""
        self._of_request: dict[str, Callable[[Exchange], str | None]] = {}
        self._of_row: dict[str, str] = {}
        for key, source in sources.items():
            kind, _, name = source.partition(":")
            if kind == "feature":
                self._of_row[key] = name
            elif kind == "header":
                self._of_request[key] = _from_header(name)
            elif kind == "query":
                self._of_request[key] = _from_query(name)
            else:
                self._of_request[key] = _constant(name)

    def of_request(self, exchange: Exchange) -> dict[str, str]:
        """The segments that all rows of a request share."""
        read = {key: source(exchange) for key, source in self._of_request.items()}
        return {key: value[:_LONGEST] for key, value in read.items() if value}

    def of_row(self, features: Mapping[str, Value]) -> dict[str, str]:
        """The segments that a row's features say."""
        return {
            key: value_text(features[name])[:_LONGEST]
            for key, name in self._of_row.items()
            if isinstance(features.get(name), (str, int, float))
        }


def _from_header(name: str) -> Callable[[Exchange], str | None]:
    wanted = name.lower().encode("latin-1", "replace")
    return lambda exchange: exchange.request.header(wanted)


def _from_query(name: str) -> Callable[[Exchange], str | None]:
    return lambda exchange: next(iter(parse_qs(exchange.query).get(name, ())), None)


def _constant(text: str) -> Callable[[Exchange], str | None]:
    return lambda _exchange: text
