"""Why Redis did not take something, as one tree. Driver errors are translated here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions as redis_errors


class BrokerError(Exception):
    """Redis did not do, or did not confirm, what was asked."""


class Unavailable(BrokerError):
    """Redis is away, loading, read-only or too slow. What was written may or may not be there."""


class Full(BrokerError):
    """Redis is at maxmemory and refuses writes. Nothing was written."""


class NotDurable(BrokerError):
    """Redis wrote, but did not confirm as durably as asked."""


class Misconfigured(BrokerError):
    """Redis refuses for a reason that waiting does not mend: password, rights, a wrong kind of server."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into BrokerErrors."""
    try:
        yield
    except BrokerError:
        raise
    except redis_errors.OutOfMemoryError as error:
        raise Full(f"Redis is full: {_said(error)}") from error
    except (redis_errors.AuthenticationError, redis_errors.NoPermissionError) as error:
        raise Misconfigured(f"Redis refuses the login: {error}") from error
    except redis_errors.ReadOnlyError as error:
        raise Unavailable(f"Redis does not accept writes: {_said(error)}") from error
    except redis_errors.ResponseError as error:
        raise _of_response(error) from error
    except (redis_errors.RedisError, OSError, TimeoutError) as error:
        raise Unavailable(f"Redis is not reachable: {str(error) or type(error).__name__}") from error


_PASSING = ("LOADING", "READONLY", "MASTERDOWN", "MISCONF", "NOREPLICAS", "UNBLOCKED", "BUSY", "TRYAGAIN")


def _of_response(error: redis_errors.ResponseError) -> BrokerError:
    text = _said(error)
    if "OOM command not allowed" in text:
        return Full(f"Redis is full: {text}")
    if any(word in text for word in _PASSING):
        return Unavailable(f"Redis does not accept writes: {text}")
    return Misconfigured(f"Redis refused a command: {text}")


def _said(error: redis_errors.RedisError) -> str:
    """What Redis said. For a pipeline the driver puts the command in front, with the bodies in it."""
    return str(error).rpartition(" of pipeline caused error: ")[2]
