"""The app that carries the platform's own commands and checks."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
    label = "trunkline_config"

    def ready(self) -> None:
        from config import checks  # noqa: F401  registers the system checks
