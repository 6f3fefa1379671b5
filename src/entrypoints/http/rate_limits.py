"""Where a request is from, and how a limit that it reached is told."""

from __future__ import annotations

import ipaddress
from typing import Any

from litestar import Request, Response

from adapters.memory.rate_limits import LimitReached
from entrypoints.http.problems import problem_response


def address_of(request: Request[Any, Any, Any]) -> str:
    """The client's address, as limits count it: a whole /64 of IPv6 belongs to one client."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), 64), strict=False))


def limit_reached(request: Request[Any, Any, Any], refusal: LimitReached) -> Response[bytes]:
    """For `exception_handlers`: the problem, with the fields of draft-ietf-httpapi-ratelimit."""
    response = problem_response(refusal, request.scope)
    name, wait = refusal.name, refusal.retry_after_seconds
    policy = f'"{name}";q={refusal.attempts_max};w={refusal.window_seconds}'
    response.headers["RateLimit-Policy"] = policy
    response.headers["RateLimit"] = f'"{name}";r=0;t={wait}'
    return response
