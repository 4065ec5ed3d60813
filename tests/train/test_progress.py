"""Which epoch was the best, and when there is nothing left to train."""

import pytest

from seekless.train.progress import Progress


def test_the_best_epoch_is_that_of_the_least_loss():
    progress = Progress()
    losses = [float("nan"), 3.0, 2.0, 2.0, 2.5, 1.0]
    better = [progress.note({"val_loss": loss, "loss": 0.0}) for loss in losses]
    assert better == [False, True, True, False, False, True]
    assert (progress.best, progress.epochs) == (6, 6)


@pytest.mark.parametrize(
    ("epochs", "best", "patience", "over"),
    [(3, 3, None, False), (5, 1, None, True), (3, 1, 2, True), (3, 2, 2, False), (2, 0, 2, True)],
)
def test_a_run_is_over_after_its_epochs_or_when_it_gets_no_better(epochs, best, patience, over):
    progress = Progress([{"val_loss": 1.0}] * epochs, best)
    assert progress.is_over(5, patience) == over
