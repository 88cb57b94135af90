"""The errors of this package. Only this module translates the errors of the Redis driver."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions as redis_errors

from broker.redis.error_reasons import MAX_ANSWER, explain, tls_advice


class BrokerError(Exception):
    """Redis did not do, or did not confirm, what was asked."""

    def __init__(self, text: str, *, brief: str = "") -> None:
        """text: what is wrong and how to fix it. brief: the same without names of hosts, users and keys."""
        super().__init__(text)
        self.brief = brief or text
        """The text that is safe to show to everyone."""


class Unavailable(BrokerError):
    """Redis is down, loading, read-only or too slow. A write may or may not have been made."""


class WrongLayout(BrokerError):
    """Redis has another number of partitions than this process. Nothing was written."""


class Full(BrokerError):
    """Redis is at maxmemory and refuses writes. Nothing was written."""


class NotDurable(BrokerError):
    """Redis has written the data, but did not confirm the durability that was requested."""


class Misconfigured(BrokerError):
    """Redis refuses for a lasting reason: the password, missing permissions, or a wrong kind of server."""


class Forbidden(Misconfigured):
    """The Redis user lacks a permission."""


@contextmanager
def translated() -> Iterator[None]:
    """Translate the errors of the Redis driver, OSError and TimeoutError into BrokerErrors."""
    try:
        yield
    except BrokerError:
        raise
    except redis_errors.RedisError as error:
        drop_command(error)
        raise _of_redis(error) from error
    except (OSError, TimeoutError) as error:
        raise _of_connection(error) from error


_PIPELINE = " of pipeline caused error: "


def drop_command(error: redis_errors.RedisError) -> None:
    """Remove the command from the text of a pipeline's error, so that only the error of Redis is left."""
    # The driver writes the command in front of the error, including the bodies, and formats the error as a tuple.
    _, is_pipeline, answer = str(error).rpartition(_PIPELINE)
    if not is_pipeline:
        return
    try:
        arguments = ast.literal_eval(answer)
    except (ValueError, SyntaxError):
        arguments = (answer,)
    error.args = tuple(str(argument) for argument in arguments)


def _of_redis(error: redis_errors.RedisError) -> BrokerError:
    said = str(error)[:MAX_ANSWER]
    explanation = explain(said, is_login=isinstance(error, redis_errors.AuthenticationError))
    if explanation is None and isinstance(error, redis_errors.ResponseError):
        return Misconfigured(f"Redis refused a command: {said}", brief="Redis refused a command")
    if explanation is None:
        return _of_connection(error)
    kinds = {
        "full": Full,
        "passing": Unavailable,
        "lasting": Misconfigured,
        "forbidden": Forbidden,
        "layout": WrongLayout,
    }
    return kinds[explanation.kind](f"{explanation.text} (Redis: {said})", brief=explanation.brief)


def _of_connection(error: Exception) -> BrokerError:
    said = str(error)[:MAX_ANSWER] or type(error).__name__
    advice = tls_advice(said)
    return Unavailable(
        f"Redis is not reachable: {said}{f': {advice}' if advice else ''}", brief="Redis is not reachable"
    )
