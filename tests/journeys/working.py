"""A worker beside what a test does."""

import threading


class working:  # noqa: N801  reads as a sentence
    """A worker in a thread of its own."""

    def __init__(self, engine):
        self.engine, self.stop = engine, threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self):
        from django.db import connections

        while not self.stop.is_set():
            if not self.engine.worker.turn():
                self.engine.worker._wait(0.02)
        connections.close_all()

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
