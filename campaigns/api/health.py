"""`/health/live`, `/health/ready` and `/metrics`: for load balancers and Prometheus; open, and telling no secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from campaigns.queries.health import readiness
from campaigns.queries.metrics import Gauge, platform_metrics


@require_safe
@never_cache
def live(_request: HttpRequest) -> JsonResponse:
    """200 as long as this process answers; asks no other part."""
    return JsonResponse({"is_live": True})


@require_safe
@never_cache
def ready(_request: HttpRequest) -> JsonResponse:
    """200 when every part works, else 503; the body says it part by part."""
    found = readiness(timezone.now())
    parts = {part.name: {"is_ready": part.is_ready, "detail": part.detail} for part in found.parts}
    return JsonResponse({"is_ready": found.is_ready, "parts": parts}, status=200 if found.is_ready else 503)


_FAMILIES: Final = {False: GaugeMetricFamily, True: CounterMetricFamily}


class _Gauges(Collector):
    """Hands finished gauges to the client library, which writes the format."""

    def __init__(self, gauges: tuple[Gauge, ...]) -> None:
        self.gauges = gauges

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """The gauges as the library's families."""
        for gauge in self.gauges:
            names = tuple(gauge.samples[0].labels) if gauge.samples else ()
            family = _FAMILIES[gauge.is_total](gauge.name, gauge.text, labels=names)
            for sample in gauge.samples:
                family.add_metric([sample.labels[name] for name in names], sample.value)
            yield family


@require_safe
@never_cache
def metrics(_request: HttpRequest) -> HttpResponse:
    """The platform in numbers, in Prometheus' text format; from the database, so every process answers the same."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Gauges(platform_metrics(timezone.now())))
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
