"""Kills this process with SIGKILL when one named order crosses one named step of the engine.

The engine has no hook for this: in the child process its functions are wrapped from outside. A name that the engine no
longer has fails at once, in `wrap`.
"""

import functools
import os
import signal
import threading

SUBMIT = (
    "before_intent_commit",
    "after_intent_commit",
    "before_last_look",
    "before_first_byte",
    "request_sent",
    "answer_read",
    "before_record",
    "mid_record",
    "before_record_commit",
    "after_record",
)
"""Every crossing of a submission, in the order in which they come."""
OTHERS = tuple(name for name in SUBMIT if name not in {"before_last_look", "before_first_byte"})
"""The same for what only reads at the CA: nobody looks at the connector once more."""


def wrap(owner, name, make):
    """Replace a function of the engine by `make(it)`."""
    setattr(owner, name, functools.wraps(getattr(owner, name))(make(getattr(owner, name))))


class Boundary:
    """One crossing: `number` is the signal sent there, once (SIGSTOP for a worker that only sleeps)."""

    def __init__(self, at, kind, order, number=signal.SIGKILL):
        self.at, self.kind, self.order, self.number = at, kind, order, number
        self.mine = threading.local()

    def is_it(self, job):
        return job is not None and str(job.row) == self.order and str(job.kind) == self.kind

    def cross(self, at, *jobs):
        if at == self.at and any(self.is_it(job) for job in jobs):
            self.at = ""
            os.kill(os.getpid(), self.number)

    def install(self):
        from chancery.engine import claim, gate, record, seats, worker
        from chancery.net import connect
        from chancery.sdk import http

        wrap(claim, "claim_orders", self._claim)
        wrap(worker.Worker, "_dispatch", self._dispatch)
        wrap(gate, "still", self._still)
        wrap(connect._Watched, "read", self._read)
        wrap(http.HttpDoor, "request", self._request)
        wrap(seats, "do", self._do)
        wrap(record.Recorder, "record", self._record)
        wrap(record.Recorder, "flush", self._flush)
        wrap(worker.Worker, "_release", self._release)

    def _claim(self, plain):
        def claim_orders(*args):
            jobs, lost = plain(*args)
            self.cross("before_intent_commit", *jobs)
            return jobs, lost

        return claim_orders

    def _dispatch(self, plain):
        def dispatch(worker, built, jobs):
            self.cross("after_intent_commit", *jobs)
            return plain(worker, built, jobs)

        return dispatch

    def _still(self, plain):
        def still(jobs):
            self.cross("before_last_look", *jobs)
            answers = plain(jobs)
            self.cross("before_first_byte", *jobs)
            return answers

        return still

    def _read(self, plain):
        def read(*args, **more):
            self.cross("request_sent", getattr(self.mine, "job", None))
            return plain(*args, **more)

        return read

    def _request(self, plain):
        def request(*args, **more):
            answer = plain(*args, **more)
            self.cross("answer_read", getattr(self.mine, "job", None))
            return answer

        return request

    def _do(self, plain):
        def do(job, *args):
            self.mine.job = job
            result = plain(job, *args)
            self.cross("before_record", job)
            return result

        return do

    def _record(self, plain):
        def record(recorder, pairs):
            recorder.chaos = [job for job, _ in pairs]
            plain(recorder, pairs)
            self.cross("before_record_commit", *recorder.chaos)

        return record

    def _flush(self, plain):
        def flush(recorder):
            self.cross("mid_record", *getattr(recorder, "chaos", []))
            plain(recorder)

        return flush

    def _release(self, plain):
        from django.db import transaction

        def release(worker, pairs):
            # A turn gives seats back before it commits; results that are recorded singly are committed by now.
            transaction.on_commit(lambda: self.cross("after_record", *(job for job, _ in pairs)))
            plain(worker, pairs)

        return release
