"""The reference service on a port: the stream of each call, both kinds of health check, and a graceful stop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from bridge.agents.livecall_grpc.proto import live_call_pb2 as pb
from bridge.agents.livecall_grpc.service.conversation import BrokenOff, Conversation
from bridge.agents.livecall_grpc.service.options import Options

SERVICE: Final = "live_call.LiveCall"
# Calls that live when the service is told to stop may go on for so long.
STOP_GRACE_S: Final = 5.0
SERVER_OPTIONS: Final = (
    # Bridges ping every 20 s; gRPC's own default would hang up on them for that.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.so_reuseport", 0),
)

Context: TypeAlias = grpc.aio.ServicerContext[pb.ClientRequest, pb.ServerResponse]


@dataclass(slots=True)
class Service:
    """A service that is listening at `target`; `health` is what it answers when it is asked."""

    target: str
    health: pb.HealthCheckResponse.ServingStatus = pb.HealthCheckResponse.SERVING


@asynccontextmanager
async def running(
    options: Options,
    *,
    credentials: grpc.ServerCredentials | None = None,
    grace_s: float = STOP_GRACE_S,
    tap: Callable[[pb.ClientRequest], None] | None = None,
) -> AsyncIterator[Service]:
    """A service that listens until the block is left; by TLS where `credentials` are given.

    `tap` is shown every message of every call.

    Raises:
        OSError: the port is taken.
    """
    server = grpc.aio.server(options=SERVER_OPTIONS)
    address = f"{options.host}:{options.port}"
    try:
        if credentials is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}") from error
    service = Service(f"{options.host}:{port}")
    calls = _Calls(options, service, tap)
    handlers = {
        "StreamCall": grpc.stream_stream_rpc_method_handler(
            calls.stream_call, pb.ClientRequest.FromString, pb.ServerResponse.SerializeToString
        ),
        "Check": grpc.unary_unary_rpc_method_handler(
            calls.check, pb.HealthCheckRequest.FromString, pb.HealthCheckResponse.SerializeToString
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    answers = health.aio.HealthServicer()  # type: ignore[attr-defined]  # its stubs forget the module
    health_pb2_grpc.add_HealthServicer_to_server(answers, server)
    for name in ("", SERVICE):
        await answers.set(name, health_pb2.HealthCheckResponse.SERVING)
    await server.start()
    try:
        yield service
    finally:
        service.health = pb.HealthCheckResponse.NOT_SERVING
        await answers.enter_graceful_shutdown()
        await server.stop(grace_s)


class _Calls:
    """The methods of the service."""

    def __init__(
        self, options: Options, service: Service, tap: Callable[[pb.ClientRequest], None] | None = None
    ) -> None:
        self._options = options
        self._service = service
        self._tap = tap

    async def stream_call(
        self, requests: AsyncIterator[pb.ClientRequest], context: Context
    ) -> AsyncIterator[pb.ServerResponse]:
        """One call, until either side has said that it is over."""
        conversation = Conversation(self._options)
        try:
            async for request in requests:
                if self._tap is not None:
                    self._tap(request)
                for response in conversation.receive(request):
                    yield response
                if conversation.is_over:
                    return
        except BrokenOff:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "broken off, as asked for")

    async def check(self, _request: pb.HealthCheckRequest, _context: Context) -> pb.HealthCheckResponse:
        """Whether calls are taken."""
        return pb.HealthCheckResponse(status=self._service.health)
