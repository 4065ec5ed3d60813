"""What the folder of a run says of it, for a run that goes on: its options, and whether all else is as it was."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seekless.errors import OptionError, TrainError
from seekless.train.folder import CONFIG, read_config
from seekless.train.options import Options
from seekless.urls import is_url

__all__ = ["Past", "read_past"]

# Packages whose versions may change the bits of a result.
COMPUTING = ("keras", "numpy", "tensorflow", "jax", "torch")


@dataclass(frozen=True)
class Past:
    """A run that was begun.

    Attributes:
        folder: Its folder.
        options: Its options.
        config: All of its `config.json`.
    """

    folder: Path
    options: Options
    config: dict[str, Any]

    @property
    def backend(self) -> str | None:
        """What Keras ran on."""
        backend: str | None = self.config.get("versions", {}).get("backend")
        return backend

    def check_data(self, described: dict[str, Any]) -> None:
        """Check that the samples are those that the run began on.

        Args:
            described: What the data say of themselves now.

        Raises:
            TrainError: They have changed.
        """
        began = self.config["data"]
        for name in ("samples", "checksum"):
            if described[name] != began[name]:
                raise TrainError(
                    f"{self.options.store or self.options.files}: found {name} {described[name]}, expected "
                    f"{began[name]}: it has changed since the run began; give it back, or train a new run, with "
                    f"--model {self.folder / 'model-best.keras'} from what was learnt"
                )

    def check_ranks(self, count: int, steps: int) -> None:
        """Check that an epoch which was begun is shared by as many processes as before.

        Args:
            count: How many there are now.
            steps: Steps of the epoch that are finished.

        Raises:
            OptionError: There are more or fewer.
        """
        began = self.config.get("ranks", 1)
        if steps and count != began:
            raise OptionError(
                f"--continue {self.folder}: found {count} processes that train together, expected {began}, which share "
                f"the epoch in which it was stopped, after {steps:,} batches; start as many"
            )

    def changes(self, versions: dict[str, str]) -> str:
        """Return which packages have other versions now, by which results may differ in their bits; "" for none.

        Args:
            versions: The version of each package now.
        """
        before = self.config.get("versions", {})
        changed = [
            f"{name} {now}, not {before[name]}"
            for name, now in versions.items()
            if name in COMPUTING and name in before and before[name] != now
        ]
        return f"this is {', '.join(changed)}: results may differ from an unbroken run" if changed else ""


def read_past(folder: str, *, epochs: int | None = None, quiet: bool = False) -> Past:
    """Read what the folder of a run says.

    Args:
        folder: The folder.
        epochs: Epochs to train in all; None for as many as the run was begun for.
        quiet: Print only the result.

    Raises:
        OptionError: It is no run's folder, or there would be fewer epochs.
    """
    path = Path(folder)
    where = f"--continue {folder}"
    if not path.is_dir():
        raise OptionError(f"{where}: found no such folder, expected that of a run, such as runs/data-1")
    config = read_config(path)
    if not isinstance(config.get("options"), dict) or not isinstance(config.get("data"), dict):
        raise OptionError(
            f"{where}: found no {CONFIG} of a run in it, expected the folder of a run, such as runs/data-1"
        )
    options = Options.from_dict(config["options"])
    if epochs is not None and epochs < options.epochs:
        raise OptionError(f"--epochs: found {epochs}, expected {options.epochs} or more, as the run was begun for")
    name = options.store or options.files or ""
    if not is_url(name) and not Path(name).exists():
        raise TrainError(
            f"{where}: found no {name}, expected what the run was begun on; go to the folder that it was begun in, "
            f"{config['data'].get('folder', 'where it is')}"
        )
    options = dataclasses.replace(options, epochs=epochs or options.epochs, quiet=quiet)
    return Past(path, options, config)
