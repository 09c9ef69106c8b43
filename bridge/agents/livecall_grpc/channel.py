"""Connections to AI services: one per service and event loop, shared by the calls that need it at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bridge.agents.base import AgentUnavailable
from bridge.agents.livecall_grpc.config import LiveCallServer
from bridge.agents.livecall_grpc.proto import live_call_pb2 as pb

# Source: live_call.proto, service LiveCall.
STREAM_CALL: Final = "/live_call.LiveCall/StreamCall"
CHECK: Final = "/live_call.LiveCall/Check"

# The session gives two tries 5 s together (reliability budgets), 3 s to the first: we say what was wrong before.
CONNECT_S: Final = 2.8
OPTIONS: Final = (
    # A call has pauses in which nobody sends; a dead peer is noticed within half a minute.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # A second of 24 kHz audio is 48 kB.
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.max_send_message_length", 4 * 1024 * 1024),
    # Several tries fit into CONNECT_S, for a service that is just starting.
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A connection belongs to its loop: gRPC would share sockets between channels of one address otherwise.
    ("grpc.use_local_subchannel_pool", 1),
    # Proxies of the environment are for browsers.
    ("grpc.enable_http_proxy", 0),
)
# Where gRPC says so, another try may go well (Source: gRPC, "Status codes and their use").
RETRYABLE_CODES: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DATA_LOSS,
    }
)


class _Shared:
    """One connection and how many calls hold it."""

    def __init__(self, server: LiveCallServer) -> None:
        self.channel = open_channel(server)
        self.users = 0
        self._is_checked = False
        self._check = asyncio.Lock()

    async def check(self) -> None:
        """Wait until the service answered once that it takes calls.

        Raises:
            AgentUnavailable: it does not, or cannot be reached in time.
        """
        async with self._check:
            if self._is_checked:
                return
            await check_health(self.channel, CONNECT_S)
            self._is_checked = True


_connections: dict[tuple[asyncio.AbstractEventLoop, LiveCallServer], _Shared] = {}


@asynccontextmanager
async def connected(server: LiveCallServer) -> AsyncIterator[grpc.aio.Channel]:
    """A connection to a service that takes calls, closed when the last call that shares it is over.

    Raises:
        AgentUnavailable: there is none within `CONNECT_S`.
    """
    key = (asyncio.get_running_loop(), server)
    shared = _connections.get(key)
    if shared is None:
        shared = _connections[key] = _Shared(server)
    shared.users += 1
    try:
        await shared.check()
        yield shared.channel
    finally:
        shared.users -= 1
        if not shared.users:
            del _connections[key]
            await shared.channel.close(None)


def open_channel(server: LiveCallServer) -> grpc.aio.Channel:
    """A channel to a service, which connects by itself when it is first used.

    Raises:
        AgentUnavailable: no target is set, or the file with the authorities cannot be read.
    """
    if not server.target:
        raise AgentUnavailable("no AI service is set: LIVECALL_GRPC_TARGET, or the agent's target", retryable=False)
    if not server.is_tls:
        return grpc.aio.insecure_channel(server.target, options=OPTIONS)
    try:
        authorities = server.ca_file.read_bytes() if server.ca_file is not None else None
    except OSError as error:
        raise AgentUnavailable(f"LIVECALL_GRPC_CA_FILE cannot be read: {error.strerror}", retryable=False) from error
    return grpc.aio.secure_channel(server.target, grpc.ssl_channel_credentials(authorities), options=OPTIONS)


async def check_health(channel: grpc.aio.Channel, timeout_s: float) -> None:
    """Ask a service whether it takes calls: by its own Check, else by gRPC's; one that knows neither is believed.

    Raises:
        AgentUnavailable: it says that it does not, or it cannot be reached in time.
    """
    deadline_s = asyncio.get_running_loop().time() + timeout_s
    ask_service: Any = channel.unary_unary(
        CHECK, pb.HealthCheckRequest.SerializeToString, pb.HealthCheckResponse.FromString
    )
    ask_grpc: Any = health_pb2_grpc.HealthStub(channel).Check
    for ask, question in ((ask_service, pb.HealthCheckRequest()), (ask_grpc, health_pb2.HealthCheckRequest())):
        left_s = max(0.1, deadline_s - asyncio.get_running_loop().time())
        try:
            answer = await ask(question, timeout=left_s, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                continue
            raise _unreachable(error) from error
        # UNKNOWN is what an answer says in which nobody set the status.
        if answer.status == pb.HealthCheckResponse.NOT_SERVING:
            raise AgentUnavailable("the AI service says that it takes no calls", retryable=True)
        return


def _unreachable(error: grpc.aio.AioRpcError) -> AgentUnavailable:
    code = error.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return AgentUnavailable("the AI service cannot be reached, or does not answer", retryable=True)
    return AgentUnavailable(f"the AI service answered {code.name}", retryable=code in RETRYABLE_CODES)
