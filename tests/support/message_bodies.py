"""What each kind of channel would send of a message, as text."""

import json

from consumers.notifier.channels.apprise import title_and_text
from consumers.notifier.channels.email import build_mail
from consumers.notifier.channels.msteams import card_body
from consumers.notifier.channels.opsgenie import create_body
from consumers.notifier.channels.pagerduty import event_body
from consumers.notifier.channels.slack import slack_message
from consumers.notifier.channels.webhook_payload import webhook_body
from consumers.notifier.notification import Notification
from inferwatch.settings.notify.channels import (
    AppriseSettings,
    EmailSettings,
    MsteamsSettings,
    OpsgenieSettings,
    PagerdutySettings,
    SlackSettings,
)


def bodies(message: Notification, **more: dict) -> dict[str, str]:
    """By kind; `more` is what is written beside the keys that have to be there."""
    alert = message.alerts[0]
    mail = {"to": "a@b.c", "from": "d@e.f", "smarthost": "h:25"} | more.get("mail", {})
    built = build_mail(message, EmailSettings.model_validate(mail))
    html = built.get_body(("html",))
    slack = SlackSettings(api_url="https://a/", **more.get("slack", {}))
    teams = MsteamsSettings(webhook_url="https://a/", **more.get("teams", {}))
    pagerduty = PagerdutySettings(routing_key="k", **more.get("pagerduty", {}))
    opsgenie = OpsgenieSettings(api_key="k", **more.get("opsgenie", {}))
    apprise = AppriseSettings(url="json://a", **more.get("apprise", {}))
    return {
        "slack": json.dumps(slack_message(message, slack)),
        "pagerduty": event_body(alert, pagerduty, message).decode(),
        "opsgenie": create_body(alert, opsgenie, message).decode(),
        "teams": card_body(message, teams, connector=False).decode(),
        "connector": card_body(message, teams, connector=True).decode(),
        "webhook": webhook_body(message).decode(),
        "apprise": "\n".join(title_and_text(message, apprise)),
        "mail": f"{built['Subject']}\n{built.get_body(('plain',)).get_content()}",
        "html": html.get_content() if html is not None else "",
    }
