"""Garbage that tells which thread freed it."""

import threading


class Garbage:
    """Something that only a collection frees; it notes the thread that did."""

    def __init__(self, freed_in: list[str]) -> None:
        self.freed_in, self.itself = freed_in, self

    def __del__(self) -> None:
        self.freed_in.append(threading.current_thread().name)
