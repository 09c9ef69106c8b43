"""The bridge app: it has commands and no tables."""

from django.apps import AppConfig
from django.core.checks import register


class BridgeConfig(AppConfig):
    name = "bridge"

    def ready(self) -> None:
        from bridge.checks import check_bridge_settings, check_livecall_settings, check_openai_settings

        register(check_bridge_settings)
        register(check_livecall_settings)
        register(check_openai_settings)
