"""E-mail: text and HTML, over SMTP with TLS."""

from __future__ import annotations

import asyncio
import html
import smtplib
import socket
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses

from consumers.notifier.channels.interface import Permanent, Retryable, Sent
from consumers.notifier.notification import Notification
from consumers.notifier.templates import fill
from consumers.notifier.text import prefaced, text_of, title_of
from inferwatch.settings.notify.addresses import refusal
from inferwatch.settings.notify.channels import EmailSettings
from inferwatch.settings.types import split_address

SUBJECT_CHARACTERS = 200
_IMPLICIT_TLS_PORT = 465


class EmailChannel:
    """Sends by one mail server; a connection for each message."""

    def __init__(self, settings: EmailSettings) -> None:
        """Keep the settings."""
        self._settings = settings
        self._host, self._port = split_address(settings.smarthost)

    async def send(self, message: Notification, now: int) -> Sent:
        """See `Channel`."""
        mail = build_mail(message, self._settings)
        try:
            await asyncio.to_thread(self._submit, mail)
        except smtplib.SMTPRecipientsRefused as refusal_:
            codes = [code for code, _ in refusal_.recipients.values()]
            raise _failure(min(codes), "the recipients were refused") from None
        except smtplib.SMTPResponseException as answer:
            raise _failure(answer.smtp_code, f"SMTP {answer.smtp_code}") from None
        except smtplib.SMTPNotSupportedError:
            raise Permanent(
                "the server has no STARTTLS; `require_tls: false` sends in the clear"
            ) from None
        except TimeoutError:
            raise Retryable(f"no answer within {self._settings.timeout / 1000:g} s") from None
        except (smtplib.SMTPException, OSError) as error:
            raise Retryable(f"cannot send: {type(error).__name__}") from None
        return Sent("sent")

    def _submit(self, mail: EmailMessage) -> None:
        settings = self._settings
        context = ssl.create_default_context(cafile=settings.ca_file)
        timeout_s = settings.timeout / 1000
        implicit = self._port == _IMPLICIT_TLS_PORT
        client: smtplib.SMTP = (
            _GuardedTls(timeout=timeout_s, context=context)
            if implicit
            else _GuardedPlain(timeout=timeout_s)
        )
        # smtplib takes the name that TLS checks from here.
        client._host = self._host  # type: ignore[attr-defined]  # noqa: SLF001
        client.connect(self._host, self._port)
        try:
            client.ehlo()
            if not implicit and (settings.require_tls or client.has_extn("starttls")):
                client.starttls(context=context)
                client.ehlo()
            if settings.auth_username is not None and settings.auth_password is not None:
                client.login(settings.auth_username, settings.auth_password.get_secret_value())
            client.send_message(mail)
            client.quit()
        finally:
            client.close()

    async def close(self) -> None:
        """See `Channel`."""


def build_mail(message: Notification, settings: EmailSettings) -> EmailMessage:
    """The mail; its id is the message's, the same at every try."""
    mail = EmailMessage()
    mail["Subject"] = title_of(message, SUBJECT_CHARACTERS)
    mail["From"] = settings.sender
    mail["To"] = ", ".join(address for _, address in getaddresses([settings.to]))
    mail["Date"] = format_datetime(datetime.fromtimestamp(message.at / 1000, UTC))
    mail["Message-ID"] = f"<{message.id}@inferwatch>"
    for name, value in settings.headers.items():
        filled = fill(value, message)
        if filled is None:
            continue
        subject = name.lower() == "subject"
        del mail[name]
        mail[name] = " ".join((message.titled(filled) if subject else filled).split())
    own = fill(settings.text, message)
    text = text_of(message) if own is None else prefaced(message, own)
    mail.set_content(text)
    shown = fill(settings.html, message, html.escape)
    if shown is None:
        shown = f'<pre style="font: 14px monospace">{html.escape(text)}</pre>'
    elif message.preface:
        shown = f"<p>{html.escape(message.preface)}</p>{shown}" if shown else ""
    if shown:
        whole = shown if "<html" in shown else f"<html><body>{shown}</body></html>"
        mail.add_alternative(whole, subtype="html")
    return mail


def _failure(code: int, detail: str) -> Exception:
    return Permanent(detail) if code >= 500 else Retryable(detail)


def _connect(host: str, port: int, timeout: float) -> socket.socket:
    """A connection to the first address that answers, all of them checked before."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        why = refusal(address)
        if why is not None:
            raise Permanent(f"{why}, and nothing is ever sent there")
    failure: OSError = OSError("no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout)
        except OSError as error:
            failure = error
    raise failure


class _GuardedPlain(smtplib.SMTP):
    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return _connect(host, port, timeout)


class _GuardedTls(smtplib.SMTP_SSL):
    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self.context.wrap_socket(_connect(host, port, timeout), server_hostname=host)
