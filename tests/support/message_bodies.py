"""What each kind of channel would send of a message, as text."""

import json

from consumers.notifier.channels.email import build_mail
from consumers.notifier.channels.msteams import card_body
from consumers.notifier.channels.opsgenie import create_body
from consumers.notifier.channels.pagerduty import event_body
from consumers.notifier.channels.slack import slack_message
from consumers.notifier.channels.webhook_payload import webhook_body
from consumers.notifier.notification import Notification
from consumers.notifier.text import text_of, title_of
from inferwatch.settings.notify.channels import (
    EmailSettings,
    OpsgenieSettings,
    PagerdutySettings,
    SlackSettings,
)


def bodies(message: Notification) -> dict[str, str]:
    alert = message.alerts[0]
    mail = EmailSettings.model_validate({"to": "a@b.c", "from": "d@e.f", "smarthost": "h:25"})
    built = build_mail(message, mail)
    return {
        "slack": json.dumps(slack_message(message, SlackSettings(api_url="https://a/"))),
        "pagerduty": event_body(alert, PagerdutySettings(routing_key="k"), message).decode(),
        "opsgenie": create_body(alert, OpsgenieSettings(api_key="k"), message).decode(),
        "teams": card_body(message, connector=False).decode(),
        "connector": card_body(message, connector=True).decode(),
        "webhook": webhook_body(message).decode(),
        "apprise": f"{title_of(message, 200)}\n{text_of(message)}",
        "mail": f"{built['Subject']}\n{built.get_body(('plain',)).get_content()}",
    }
