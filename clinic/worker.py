"""The Celery worker with a limit to its end, so that the next start of the service never waits for it in vain."""

from __future__ import annotations

import signal

from celery.apps import worker
from django.conf import settings


class Worker(worker.Worker):
    """Celery's worker, which the kernel ends when it does not end by itself.

    Celery can hang in its end: it waits for ever for the rest of a result that a killed child wrote half (its own
    comment in `asynpool.ResultHandler._flush_outqueue` says so). The limit is the process's timer with what SIGALRM
    does by default: that asks nothing of the process, which hangs inside a signal handler. Its children end with it,
    as Celery has the kernel see to; tasks are acknowledged late, so what they were doing is done again.
    """

    time_limit: float | None  # seconds, of a task

    def on_start(self) -> None:
        """Begin without a limit: a timer outlives the `exec` by which Celery starts anew on SIGHUP."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        super().on_start()

    def wait_for_soft_shutdown(self) -> bool:
        """Set the limit of a cold end here: it is where that begins, and `terminate` comes after what may hang."""
        self._end_within(self.app.conf.worker_soft_shutdown_timeout)
        return super().wait_for_soft_shutdown()

    def stop(self, in_sighandler: bool = False, exitcode: int | None = None) -> None:
        """Let every task have all its time (a warm end), and limit what comes after."""
        if self.time_limit:
            self._end_within(self.time_limit)
        super().stop(in_sighandler, exitcode)

    def _end_within(self, seconds_for_tasks: float) -> None:
        """Have the kernel end this process so long after its tasks have had their time, or sooner if it is to."""
        seconds = seconds_for_tasks + settings.WORKER_END_SECONDS
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        signal.setitimer(signal.ITIMER_REAL, min(seconds, left or seconds))
