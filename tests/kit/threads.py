"""The threads that read ahead."""

import threading


def reading_threads() -> list[threading.Thread]:
    """Return those that have not ended."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("seekless-read")]
