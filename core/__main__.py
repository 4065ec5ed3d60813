"""`python -m seekless convert ...` and `python -m seekless train ...`, for machines where another `convert` lives."""

import sys
from importlib.metadata import version

from seekless.command import run

USAGE = "usage: python -m seekless convert|train ...  (--help after either says more)"


def main() -> None:
    """Hand the arguments on to the command named first."""
    command, *arguments = sys.argv[1:] or ["--help"]
    if command == "convert":
        from seekless.convert.cli import convert

        run(convert, arguments, name="python -m seekless convert")
    if command == "train":
        from seekless.train.cli import train

        run(train, arguments, name="python -m seekless train")
    if command == "--version":
        print(f"seekless {version('seekless')}")
    elif command in {"--help", "-h"}:
        print(USAGE)
    else:
        print(f"error: found command {command!r}, expected convert or train; {USAGE}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
