"""Fills the templates of a channel: what they see is what a webhook would be sent."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from consumers.notifier.channels.webhook_payload import payload_of
from consumers.notifier.notification import Notification
from consumers.notifier.page import page_of, page_text
from consumers.notifier.transition import Transition
from inferwatch.settings.notify.templates import Escape, render

_log = logging.getLogger(__name__)


def context_of(message: Notification, alert: Transition | None = None) -> dict[str, Any]:
    """What the names of a template stand for.

    Args:
        message: the message.
        alert: the one that all of it is about, where each is sent by itself; else `alert` is the
            first of all.
    """
    if alert is not None:
        message = replace(message, alerts=(alert,))
    plain = payload_of(message)
    alerts = [
        shown | {"headline": page_of(a).headline, "page": page_text(page_of(a))}
        for a, shown in zip(message.alerts, plain["alerts"], strict=True)
    ]
    return {
        **{key: plain[key] for key in ("status", "receiver", "groupKey", "groupLabels")},
        "reason": str(message.reason),
        "commonLabels": plain["commonLabels"],
        "commonAnnotations": plain["commonAnnotations"],
        "alerts": alerts,
        "firing": [a for a in alerts if a["status"] == "firing"],
        "resolved": [a for a in alerts if a["status"] == "resolved"],
        "alert": alerts[0],
        "preface": message.preface,
    }


def fill(
    template: str | None,
    message: Notification,
    escape: Escape = str,
    alert: Transition | None = None,
) -> str | None:
    """The text of a template; None without one, or where it fails: then the usual text is sent.

    A page is worth more than its wording, so a template that fails with this alert only is told in
    the log, and keeps nothing from being sent.
    """
    if template is None:
        return None
    try:
        return render(template, context_of(message, alert), escape)
    except Exception as error:
        _log.error(
            "a template of receiver %s failed (%s); the usual text is sent instead",
            message.receiver,
            type(error).__name__,
        )
        return None
