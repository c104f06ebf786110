"""The API's way to the database: a few kept connections and a deadline on every query.

The deadline is kept on this side as well. A server that hangs answers no timeout of its own,
and the health check must still say so in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg

Connection = psycopg.AsyncConnection[Any]
Rows = list[tuple[Any, ...]]

KEPT_CONNECTIONS = 4
MAX_CONNECTIONS = 8


class DatabaseError(Exception):
    """The database didn't answer, or not in time."""


class Database:
    """Runs single statements; a connection that broke meanwhile is replaced once."""

    def __init__(self, url: str, timeout: float) -> None:
        """No connection is made before the first query."""
        self._url = url
        self._timeout = timeout
        self._idle: list[Connection] = []
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)

    async def fetch(self, query: LiteralString, params: Sequence[Any] = ()) -> Rows:
        """The rows a statement returns."""
        task = asyncio.ensure_future(self._fetch(query, params))
        task.add_done_callback(_settle)
        # Not wait_for: that waits for the cancelled query, and thus for the server, again.
        done, _ = await asyncio.wait({task}, timeout=self._timeout)
        if not done:
            task.cancel()
            raise DatabaseError(f"no answer within {self._timeout:g} s")
        try:
            return task.result()
        except psycopg.Error as error:
            raise DatabaseError(_one_line(error)) from error

    async def close(self) -> None:
        """Close the kept connections."""
        while self._idle:
            await self._idle.pop().close()

    async def _fetch(self, query: LiteralString, params: Sequence[Any]) -> Rows:
        async with self._slots:
            while self._idle:
                conn = self._idle.pop()
                try:
                    return await self._run(conn, query, params)
                except (psycopg.OperationalError, psycopg.InterfaceError):
                    # The others were most likely cut by the same restart.
                    await self.close()
            return await self._run(await self._connect(), query, params)

    async def _run(self, conn: Connection, query: LiteralString, params: Sequence[Any]) -> Rows:
        healthy = False
        try:
            cursor = await conn.execute(query, params)
            rows = await cursor.fetchall() if cursor.description else []
            healthy = True
            return rows
        finally:
            if healthy and len(self._idle) < KEPT_CONNECTIONS:
                self._idle.append(conn)
            else:
                await conn.close()

    async def _connect(self) -> Connection:
        # Prepared statements don't survive a pooler that shares connections by transaction.
        return await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=2,
            application_name="mt5_api",
        )


def _settle(task: asyncio.Task[Rows]) -> None:
    # An abandoned query's error was reported as a timeout; asyncio would log it once more.
    if not task.cancelled():
        task.exception()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
