"""Options of the gRPC connection between worker and dispatcher, for both ends.

Names and defaults: https://grpc.github.io/grpc/core/group__grpc__arg__keys.html
"""

from __future__ import annotations

GrpcOptions = list[tuple[str, int]]

FIRST_RETRY_SECONDS = 0.05
"""The pause after a first failed try to connect."""
_HTTP2_FRAME_BYTES = 1 << 20


def server_options(
    *, keepalive_seconds: float, max_message_bytes: int, max_request_bytes: int, streams_per_connection: int
) -> GrpcOptions:
    """Options of a server of the dispatcher.

    Args:
        keepalive_seconds: between two pings, and how long a worker has to answer one.
        max_message_bytes: largest message to a client.
        max_request_bytes: largest message from a client.
        streams_per_connection: calls at the same time that a client may have in a connection.
    """
    return [
        *_common_options(keepalive_seconds),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_request_bytes),
        ("grpc.max_concurrent_streams", streams_per_connection),
        # With port reuse, two dispatchers on one port would each get half of the workers.
        ("grpc.so_reuseport", 0),
        # Workers ping as often as their own settings say; by default a server closes connections that ping often.
        ("grpc.http2.max_ping_strikes", 0),
    ]


def channel_options(*, keepalive_seconds: float, max_message_bytes: int, max_retry_seconds: float) -> GrpcOptions:
    """Options of a worker's channel to a dispatcher.

    Args:
        keepalive_seconds: between two pings, and how long the dispatcher has to answer one.
        max_message_bytes: largest message.
        max_retry_seconds: longest pause between two tries to connect.
    """
    return [
        *_common_options(keepalive_seconds),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.initial_reconnect_backoff_ms", int(1000 * FIRST_RETRY_SECONDS)),
        ("grpc.min_reconnect_backoff_ms", int(1000 * FIRST_RETRY_SECONDS)),
        ("grpc.max_reconnect_backoff_ms", int(1000 * max_retry_seconds)),
        # A batch arrives in a few HTTP/2 frames instead of one for every 16 KiB: 10 % less CPU for the dispatcher.
        ("grpc.http2.max_frame_size", _HTTP2_FRAME_BYTES),
        # Do not use HTTP proxies: the dispatcher is inside the cluster.
        ("grpc.enable_http_proxy", 0),
        # Otherwise workers in one process share a connection and its flow-control window.
        ("grpc.use_local_subchannel_pool", 1),
    ]


def _common_options(keepalive_seconds: float) -> GrpcOptions:
    keepalive_ms = int(1000 * keepalive_seconds)
    return [
        # A peer that is frozen, or whose machine is gone, does not close its connection. Pings notice it.
        ("grpc.keepalive_time_ms", keepalive_ms),
        ("grpc.keepalive_timeout_ms", keepalive_ms),
        # The limit that applies to an unanswered ping when it is larger: a minute by default.
        ("grpc.http2.ping_timeout_ms", keepalive_ms),
        ("grpc.keepalive_permit_without_calls", 1),
        # A worker in a long batch sends no data; by default pings stop after the second one without data.
        ("grpc.http2.max_pings_without_data", 0),
    ]
