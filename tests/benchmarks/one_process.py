"""Runs benchmarks one after the other in this one process, so that TensorFlow starts once for all of them.

    python one_process.py JOBS

JOBS is JSON: a list of [script, arguments], the script named from benchmarks/. What a script would measure in Python
processes of its own is measured here too. For each a line of JSON is printed: the exit code, stdout and stderr.
"""

import contextlib
import io
import json
import os
import runpy
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
BENCHMARKS = Path(__file__).resolve().parent.parent.parent / "benchmarks"


def run_here(script: Path, arguments: list[str]) -> tuple[int, str, str]:
    """Run a script as `python SCRIPT ARGUMENTS` would; return its exit code, stdout and stderr."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    argv, path = sys.argv, list(sys.path)
    sys.argv, sys.path[:] = [str(script), *arguments], [str(script.parent), *path]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        err.write("" if isinstance(end.code, int | None) else f"{end.code}\n")
    except Exception:
        code = 1
        traceback.print_exc(file=err)
    finally:
        sys.argv, sys.path[:] = argv, path
    return code, out.getvalue(), err.getvalue()


really_run = subprocess.run


def run(command, **options):
    """Stand for subprocess.run: a script of the benchmarks is run here."""
    words = [str(word) for word in command]
    if words[0] != sys.executable or not Path(words[1]).is_relative_to(BENCHMARKS):
        return really_run(command, **options)
    done = subprocess.CompletedProcess(words, *run_here(Path(words[1]), words[2:]))
    if options.get("check"):
        done.check_returncode()
    return done


class Child:
    """Stands for child.Child: a way of the race that is measured here."""

    def __init__(self, way: str, batch: int, prefix=(), python: str = sys.executable) -> None:
        from measure import Measurer

        self._measurer = Measurer(way, batch)

    def wait(self) -> None:
        pass

    def ask(self, do: str, **asked):
        return json.loads(json.dumps(getattr(self._measurer, do)(**asked)))

    @contextlib.contextmanager
    def watched(self) -> Iterator[dict[str, int]]:
        yield {"before": 1, "most": 2}  # of memory this process tells nothing that would be the way's own

    def close(self) -> None:
        pass


def main() -> None:
    sys.path.insert(0, str(BENCHMARKS))
    import child

    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what processes print that the scripts start is no answer
    child.Child = Child
    subprocess.run = run
    for script, arguments in json.loads(sys.argv[1]):
        print(json.dumps(run_here(BENCHMARKS / script, arguments)), file=answers)


if __name__ == "__main__":
    main()
