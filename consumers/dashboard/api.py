"""The JSON API under `/api/v1/`: models, series, newest results, incidents, status.

Times are milliseconds since the epoch. An answer that is no success is `{"error": "…"}`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from consumers.dashboard import query
from consumers.dashboard.downsample import Grid, aggregation, downsample
from consumers.dashboard.folder import Folder
from consumers.dashboard.store import Store
from consumers.dashboard.views import head_view, incident_view, trail_view

MAX_POINTS = 2_000
_COMPRESS_ABOVE = 2_048


class Api:
    """Handlers of the JSON API; they read the folder's state and, for series, Redis."""

    def __init__(
        self, folder: Folder, store: Store, *, clock: Callable[[], int], history_ms: int
    ) -> None:
        """Show what `folder` holds; `clock` is wall time in milliseconds."""
        self._folder = folder
        self._store = store
        self._clock = clock
        self._history_ms = history_ms

    def routes(self) -> list[web.AbstractRouteDef]:
        """All routes but the event stream."""
        return [
            web.get("/api/v1/models", self.models),
            web.get("/api/v1/series", self.series),
            web.get("/api/v1/windows/latest", self.latest),
            web.get("/api/v1/incidents", self.incidents),
            web.get("/api/v1/incidents/{id}", self.incident),
            web.get("/api/v1/status", self.status),
        ]

    async def models(self, request: web.Request) -> web.Response:
        """Every model and version with its newest numbers; with `model` what there is of one."""
        if "model" in request.query:
            return _json(self._one_model(request.query["model"]))
        firing = Counter((i.alert.model, i.alert.version) for i in self._folder.incidents.firing())
        models = [
            {
                **head_view(head),
                "trail": trail_view(head),
                "firing": firing[head.series.model, head.series.version],
            }
            for head in self._folder.catalogue.current()
        ]
        return _json({"now": self._clock(), "models": models})

    def _one_model(self, model: str) -> dict[str, Any]:
        heads = [h for h in self._folder.catalogue.heads() if h.series.model == model]
        if not heads:
            raise query.not_found(f"no results of model {model!r} yet; /api/v1/models lists all")
        versions = dict.fromkeys(h.series.version for h in heads)
        return {
            "model": model,
            "versions": [
                {
                    "version": version,
                    "newest": max(h.end for h in heads if h.series.version == version),
                    "windows": list(
                        dict.fromkeys(h.series.window for h in heads if h.series.version == version)
                    ),
                    "segments": sorted(
                        {h.series.segment or "" for h in heads if h.series.version == version}
                    ),
                }
                for version in versions
            ],
        }

    async def series(self, request: web.Request) -> web.Response:
        """The metrics of one series on a grid of at most `points` buckets."""
        series = query.series(request)
        head = self._folder.catalogue.get(series)
        if head is None:
            raise query.not_found(f"no results of {series.text} yet; /api/v1/models lists all")
        names = query.metrics(request, head.schema.names)
        points = query.number(request, "points", 400, MAX_POINTS)
        last = min(query.moment(request, "to", head.start), head.start)
        span = query.duration(request, "last", self._history_ms)
        first = query.moment(request, "from", last - span + 1)
        found = await self._store.points(series, names, first, last)
        answer: dict[str, Any] = {
            **head_view(head),
            "step_ms": series.slide_ms,
            "at": [],
            "metrics": {name: [] for name in names},
            "aggregation": {name: aggregation(name) for name in names},
        }
        if found.starts:
            grid = Grid.over(found.starts[0], found.starts[-1], series.slide_ms, points)
            answer["step_ms"] = grid.step
            answer["at"] = grid.times
            answer["metrics"] = {
                name: downsample(grid, name, found.starts, column)
                for name, column in zip(names, found.columns, strict=True)
            }
        return _json(answer)

    async def latest(self, request: web.Request) -> web.Response:
        """The newest whole result of each series; `segment=*` with those of segments."""
        wanted = {k: request.query[k] for k in ("model", "version", "window") if k in request.query}
        segments = request.query.get("segment")
        found = [
            head.series
            for head in self._folder.catalogue.heads()
            if all(getattr(head.series, name) == value for name, value in wanted.items())
            and (segments == "*" or head.series.segment == (segments or None))
        ]
        limit = query.number(request, "limit", 100, 1_000)
        results = await self._store.latest(found[:limit])
        body = b'{"total":%d,"windows":[%b]}' % (len(found), b",".join(results))
        return _respond(body)

    async def incidents(self, request: web.Request) -> web.Response:
        """Firing incidents first; `status` is firing, resolved or corrected."""
        status = request.query.get("status")
        if status not in (None, "firing", "resolved", "corrected"):
            raise query.bad_request(f"status={status!r}: allowed are firing, resolved, corrected")
        model = request.query.get("model")
        limit = query.number(request, "limit", 200, 2_000)
        found = [
            incident
            for incident in self._folder.incidents.all()
            if (model is None or incident.alert.model == model) and incident.has(status)
        ]
        shown = [incident_view(i) for i in found[:limit]]
        return _json({"now": self._clock(), "total": len(found), "incidents": shown})

    async def incident(self, request: web.Request) -> web.Response:
        """One incident by its id."""
        name = request.match_info["id"]
        incident = self._folder.incidents.get(name)
        if incident is None:
            raise query.not_found(f"no incident {name!r}; /api/v1/incidents lists all")
        return _json(incident_view(incident))

    async def status(self, request: web.Request) -> web.Response:
        """How the system does as a whole."""
        folder = self._folder
        heads = folder.catalogue.current()
        firing = Counter(str(i.alert.severity) for i in folder.incidents.firing())
        rows = sum(h.values.get("rows", 0) for h in heads)
        sent = rows + sum(h.values.get("lost", 0) for h in heads)
        newest = max((h.end for h in heads), default=None)
        return _json(
            {
                "now": self._clock(),
                "ready": folder.caught_up,
                "trouble": folder.trouble,
                "lag_records": sum(folder.lag.values()),
                "models": len({h.series.model for h in heads}),
                "series": len(folder.catalogue),
                "newest_window_end": newest,
                "watermark_lag_ms": None if newest is None else max(0, self._clock() - newest),
                "completeness": rows / sent if sent else None,
                "firing": {name: firing[name] for name in ("page", "ticket", "info")},
                "history_ms": self._history_ms,
                "folded": dict(folder.folded),
                "skipped": dict(folder.skipped),
            }
        )


def _json(data: object) -> web.Response:
    return _respond(orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS))


def _respond(body: bytes) -> web.Response:
    response = web.Response(body=body, content_type="application/json", charset="utf-8")
    if len(body) > _COMPRESS_ABOVE:
        response.enable_compression()
    return response
