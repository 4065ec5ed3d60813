"""Joining a Dask cluster for the time of a conversion, whichever way it is named."""

import contextlib
import logging
from collections.abc import Iterator
from multiprocessing import resource_tracker
from typing import Any

from seekless.convert.dask_cluster import TO_STOP, Cluster
from seekless.convert.pool import without_main
from seekless.convert.server import available_cores, undisturbed
from seekless.errors import ConvertError, MissingExtraError, OptionError

__all__ = ["LOCAL", "connected"]

LOCAL = "local"
# Seconds to wait for the scheduler.
TO_CONNECT = 10.0


@contextlib.contextmanager
def connected(dask: Any) -> Iterator[Cluster | None]:
    """Join a cluster for the time of a context.

    Args:
        dask: A scheduler's address, as `tcp://host:8786`; "local" for worker processes of this machine; a
            `distributed.Client`, or a cluster of Dask, as of dask-jobqueue; None for no cluster.

    Raises:
        MissingExtraError: `distributed` is not installed.
        OptionError: It is none of these.
        ConvertError: Nobody answers.
    """
    if dask is None:
        yield None
        return
    try:
        import distributed  # noqa: F401 (asked for here, so that what is missing is named)
    except ImportError:
        raise MissingExtraError(
            "--dask: found no package distributed, expected it installed: pip install 'seekless[dask]'"
        ) from None
    with _quiet(), _client_of(dask) as (client, name):
        cluster = Cluster(client, name)
        try:
            yield cluster
        finally:
            cluster.leave()


@contextlib.contextmanager
def _client_of(dask: Any) -> Iterator[tuple[Any, str]]:
    from distributed import Client, LocalCluster

    if isinstance(dask, Client):
        yield dask, str(dask.scheduler.address)
        return
    if dask == LOCAL:
        with undisturbed():
            resource_tracker.ensure_running()  # which lets Ctrl-C through as it starts
        # Its threads, and the processes that they start, now or later, inherit that Ctrl-C is not theirs.
        with undisturbed(), without_main():
            local = LocalCluster(
                n_workers=available_cores(),
                threads_per_worker=1,
                processes=True,
                dashboard_address=":0",
                memory_limit=0,
                silence_logs=logging.CRITICAL,
            )
        with local, _closing(Client(local, set_as_default=False)) as client:
            yield client, LOCAL
        return
    name = getattr(dask, "scheduler_address", dask)
    if not isinstance(name, str):
        raise OptionError(
            f"--dask: found {dask!r}, expected a scheduler's address such as tcp://host:8786, local, or in Python a "
            "distributed.Client or a cluster of Dask"
        )
    try:
        joined = Client(dask, timeout=TO_CONNECT, set_as_default=False)
    except (OSError, ValueError, ImportError) as error:
        raise ConvertError(
            f"--dask {name}: found no scheduler there ({error or type(error).__name__}), expected one; start it by "
            "`dask scheduler`, or give local"
        ) from error
    with _closing(joined) as client:
        yield client, name


@contextlib.contextmanager
def _closing(client: Any) -> Iterator[Any]:
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):  # of a scheduler that is gone; what counts is the error that came first
            client.close(timeout=TO_STOP)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what distributed logs of workers that come and go out of the bar: what counts becomes an error here."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client", "tornado.application")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
