"""The bridge app: it has commands and no tables."""

from django.apps import AppConfig


class BridgeConfig(AppConfig):
    name = "bridge"
