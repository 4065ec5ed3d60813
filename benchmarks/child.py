"""A measuring process: ask it, and look at the memory of all its processes while it works."""

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from processes import processes_of

__all__ = ["Child", "EndedError", "anonymous"]

HERE = Path(__file__).resolve().parent
LOOK_EVERY = 0.02  # seconds


class EndedError(Exception):
    """The process ended; the text says why."""


class Child:
    """measure.py at work; it starts while the caller goes on.

    Args:
        way: Short name of the way.
        batch: Samples in a batch.
        prefix: What to write before the command.
        python: The interpreter.
    """

    def __init__(self, way: str, batch: int, prefix: Sequence[str] = (), python: str = sys.executable) -> None:
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed in close)
        command = [*prefix, python, str(HERE / "measure.py"), way, str(batch)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True
        )
        self._started = False

    def wait(self) -> None:
        """Wait until it has imported all it needs; `ask` and `watched` do too.

        Raises:
            EndedError: The process ended instead.
        """
        if not self._started:
            self._answer()
            self._started = True

    def ask(self, do: str, **asked: Any) -> dict[str, Any]:
        """Ask for something and wait for the answer.

        Raises:
            EndedError: The process ended instead.
        """
        self.wait()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **asked}) + "\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it has ended, as no answer will say
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        code = self._process.wait()
        self._said.seek(0)
        lines = [line for line in self._said.read().splitlines() if line.strip()]
        reason = "out of memory" if code in (-9, 137) else (lines[-1] if lines else f"exit code {code}")
        raise EndedError(reason)

    @contextlib.contextmanager
    def watched(self) -> Iterator[dict[str, int]]:
        """Yield a dictionary that at the end has the anonymous and shared bytes before, and at the most.

        Raises:
            EndedError: The process ended before.
        """
        self.wait()
        before = anonymous(self._process.pid)
        found = {"before": before, "most": before}
        done = threading.Event()

        def look() -> None:
            while not done.wait(LOOK_EVERY):
                found["most"] = max(found["most"], anonymous(self._process.pid))

        looking = threading.Thread(target=look)
        looking.start()
        try:
            yield found
        finally:
            done.set()
            looking.join()
            found["most"] = max(found["most"], anonymous(self._process.pid))

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._said.close()


def anonymous(root: int) -> int:
    """Return the bytes of memory that a process and its children have together, files' pages left out.

    Pages that several of them share count once.
    """
    total = 0
    for process in processes_of(root):
        with contextlib.suppress(OSError):  # it has ended
            for line in Path("/proc", str(process), "smaps_rollup").read_text().splitlines():
                if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                    total += int(line.split()[1]) << 10
    return total
