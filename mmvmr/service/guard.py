"""What stands before the service: what other web sites make a browser send is refused."""
import ipaddress
from typing import Optional, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {  # a page has a policy of its own for what is inside it
    'Content-Security-Policy': "frame-ancestors 'none'", 'Cross-Origin-Resource-Policy': 'same-origin',
    'Cross-Origin-Opener-Policy': 'same-origin', 'Referrer-Policy': 'same-origin', 'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store'}


class Guard:
    """Refuses what another web site makes a browser send, and forbids others to embed what is answered.

    A page of another site cannot be told apart by its address, since names can be made to lead here: so a name must be
    known, while a number cannot be borrowed.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self.app, self.hosts = app, {'localhost', *(host.lower() for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope['type'] != 'http':
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message['type'] == 'http.response.start':
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        problem = self._problem(Request(scope))
        app = self.app if problem is None else JSONResponse(dict(error=problem), 403)
        await app(scope, receive, send_guarded)

    def _problem(self, request: Request) -> Optional[str]:
        address = request.headers.get('host', '')
        host = _host(f'http://{address}')
        if host not in self.hosts and not _is_number(host):
            return (f'This service does not answer under the name {host!r}. Use its number, or start it with '
                    f'--allow-host {host or "NAME"}.')
        origin = request.headers.get('origin')
        if request.method == 'POST' and origin is not None and _place(origin) != address.lower():
            return f'Another site, {origin!r}, has sent this; only pages of this service may.'
        return None


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ''
    except ValueError:
        return ''


def _place(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ''


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
