"""The `notify` section: Alertmanager's own keys and meaning, and a few keys beyond them."""

from inferwatch.settings.notify.tree import NotifySettings

__all__ = ["NotifySettings"]
