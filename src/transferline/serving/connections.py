"""Connections of clients that send too slowly, and too many of them, are closed."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 512
SECONDS_FOR_A_HEADER = 10.0  # from the connection, or from the first byte of a later request
SECONDS_FOR_A_RESPONSE = 180.0  # from the header until the client has taken the response


class LimitedConnection(H11Protocol):
    """A connection with limits on the time of a request. uvicorn itself limits only the time between two requests."""

    _timer: asyncio.TimerHandle | None = None
    _timed: Any = None  # the request that the timer is for; None while a header is expected

    def connection_made(self, transport: Any) -> None:
        """Starts the time for the first header. Of too many connections, the one that waits longest is closed."""
        super().connection_made(transport)
        self._limit(SECONDS_FOR_A_HEADER)
        if len(self.connections) > MOST_CONNECTIONS:
            ours = (each for each in self.connections if isinstance(each, LimitedConnection))
            waiting = (each for each in ours if each.waits_for_header())
            min(waiting, key=LimitedConnection.deadline, default=self).transport.abort()

    def waits_for_header(self) -> bool:
        """Whether the connection is open and has not sent the header of its first request, or of a later one."""
        return self._timed is None and not self.transport.is_closing()

    def deadline(self) -> float:
        """Returns the time at which the connection is closed, in seconds of the loop's clock."""
        return self._timer.when() if self._timer else 0.0

    def data_received(self, data: bytes) -> None:
        """Starts the time for the response after a header, and for a header after the response before it."""
        super().data_received(data)
        request = self.cycle if self.cycle and not self.cycle.response_complete else None
        if request is not self._timed:
            self._timed = request
            self._limit(SECONDS_FOR_A_RESPONSE if request else SECONDS_FOR_A_HEADER)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the time."""
        self._limit(None)
        super().connection_lost(exc)

    def _limit(self, seconds: float | None) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self.transport.abort) if seconds else None
