"""The telephony app: it has commands and no tables."""

from django.apps import AppConfig


class TelephonyConfig(AppConfig):
    name = "telephony"
