"""Webhook: an HTTP POST of JSON, signed as Standard Webhooks does."""

from __future__ import annotations

from consumers.notifier.channels.http_post import Poster
from consumers.notifier.channels.interface import Sent
from consumers.notifier.channels.signature import signature_headers
from consumers.notifier.channels.webhook_payload import webhook_body
from consumers.notifier.notification import Notification
from inferwatch.settings.notify.channels import WebhookSettings


class WebhookChannel:
    """Posts each message to one address."""

    def __init__(self, settings: WebhookSettings) -> None:
        """Keep the address and the secret."""
        self._poster = Poster(settings.url.get_secret_value(), settings.timeout)
        self._secret = settings.secret
        self._max_alerts = settings.max_alerts

    async def send(self, message: Notification, now: int) -> Sent:
        """See `Channel`."""
        body = webhook_body(message, self._max_alerts)
        seconds = now // 1000
        if self._secret is None:
            headers = {"webhook-id": message.id, "webhook-timestamp": str(seconds)}
        else:
            secret = self._secret.get_secret_value()
            headers = signature_headers(secret, message.id, seconds, body)
        return Sent(await self._poster.post(body, headers))

    async def close(self) -> None:
        """See `Channel`."""
        await self._poster.close()
