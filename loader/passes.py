"""Which batch a request gets: the order of the epochs, whatever order Keras asks in and however often it looks ahead.

Keras asks a dataset for batches by index, in an order of its own, and shows by three signs where it stands: it reads
`num_batches` when it begins a pass over the data, and calls `on_epoch_begin` and `on_epoch_end`. This is what its
trainers do (read from Keras 3.15; "n" is a reading of num_batches, "r" a request, "(" and ")" the two calls):

    TensorFlow, fit and evaluate       n n r r   n )  ( n n r r r ... )  ( n n r r r ... )
    TensorFlow, predict                n n r r        ( n n r r r ... )
    JAX, PyTorch, a model to be built  n  ( n n r     n )  ( n n r r r ... n )  ( n n r r r ... n )
    JAX, PyTorch, a built model        n              n )  ( n n r r r ... n )  ...
    JAX, PyTorch, predict              n  ( n n r r r ... n )

The first requests of the first and third line are looks ahead, whose batches are thrown away. With steps_per_epoch, one
pass goes on over several "( )"; a training that is stopped leaves its ")" out. Hence the rules:

- A pass begins with the first request after a reading of num_batches.
- A "(" that does not come right after a ")" announces no training: a look-ahead, or a prediction.
- A pass outside of "( )" that is over after two requests at most was a look-ahead.
- After a look-ahead or a prediction the next pass begins at the same place. After any other pass, be it cut short, the
  next epoch begins.
- Where steps_per_epoch does not cut an epoch into whole slices, Keras gets a pass without end. It then takes batches
  some steps ahead of the training, so that requests do not tell what was used: slices do, the "(" of the pass.
"""

from dataclasses import dataclass

__all__ = ["LOOK_AHEAD", "Passes", "Place"]

# TensorFlow's adapter reads this many batches at most to learn their shapes.
LOOK_AHEAD = 2

Place = tuple[int, int]  # epoch, step


@dataclass
class Passes:
    """Deals out the batches of epoch after epoch.

    Attributes:
        steps: Batches in an epoch.
        first: The place at which the pass began.
        place: The place after the last request.
        requests: Answered in this pass.
        kind: Of the pass: "training", "aside" (a look-ahead or a prediction), "unannounced" or "loop".
    """

    steps: int
    first: Place = (0, 0)
    place: Place = (0, 0)
    requests: int = 0
    kind: str = "loop"
    slice: int = 0  # steps of each "( )" in a pass without end; 0 in one that ends with its epoch
    slices: int = 0  # begun in a pass without end
    _cut: int = 0  # what slice will be in the next pass
    _announced: str = ""  # what the next pass will be, once Keras has said so
    _ended: bool = False  # Keras' last sign was the end of an epoch
    _asked: bool = False  # num_batches was read since the last request
    _looped: bool = False  # a loop by hand has begun since the last request

    @property
    def length(self) -> int:
        """Batches in a pass that begins now."""
        return self.steps - self.upcoming[1]

    @property
    def upcoming(self) -> Place:
        """The place at which a pass begins that begins now."""
        epoch, step = self.place
        if self.slice and self.kind == "training":
            more, step = divmod(self.first[1] + self.slices * self.slice, self.steps)
            return (self.first[0] + more + bool(step), 0)
        if self._was_aside or (self.kind == "loop" and self.requests <= LOOK_AHEAD and step != 0):
            return self.first
        return self.place if step == 0 or not self.requests else (epoch + 1, 0)

    @property
    def position(self) -> Place:
        """The place after the last batch that was not thrown away."""
        return self.first if self._was_aside else self.place

    @property
    def _was_aside(self) -> bool:
        return self.kind == "aside" or (self.kind == "unannounced" and self.requests <= LOOK_AHEAD)

    @property
    def endless(self) -> bool:
        """Whether the pass that begins next has no end."""
        return self._cut > 0

    def cut(self, steps: int) -> None:
        """Note how many steps the epochs of Keras will have; 0 for those of a pass.

        Args:
            steps: Of each epoch of Keras.
        """
        whole = not steps or not (self.upcoming[1] or self.steps % steps)
        self._cut = 0 if whole or not self.steps else steps

    def ask(self) -> None:
        """Note that num_batches was read."""
        self._asked, self._ended = True, False

    def begin(self) -> None:
        """Note that Keras announces an epoch."""
        self._announced = "training" if self._ended else "aside"
        self._ended = False
        if not self._asked:
            self.slices += 1

    def end(self) -> None:
        """Note that Keras says an epoch is over."""
        self._announced, self._ended = "", True

    def loop(self) -> Place:
        """Note that a loop by hand begins; return its place."""
        self._looped = True
        return self.upcoming

    def request(self) -> Place:
        """Return the place of the batch that the next request gets, and count it."""
        if self._asked or self._looped:
            self.first = self.place = self.upcoming
            self.kind = "loop" if self._looped else self._announced or "unannounced"
            self.requests = 0
            self.slice, self.slices = 0 if self._looped else self._cut, 1
        elif self.requests and self.place[1] == 0 and not self.slice:
            self.first, self.requests = self.place, 0
        self._asked = self._looped = False
        self._announced = ""
        place = self.place
        self.use(place)
        return place

    def use(self, place: Place) -> None:
        """Note that the batch at a place is given out.

        Args:
            place: Its epoch and step.
        """
        epoch, step = place
        self.requests += 1
        self.place = (epoch, step + 1) if step + 1 < self.steps else (epoch + 1, 0)

    def restart(self, place: Place) -> None:
        """Let the next pass begin at a place.

        Args:
            place: Epoch and step; the step may be the number of steps, which is the beginning of the next epoch.
        """
        epoch, step = place
        self.first = self.place = (epoch, step) if step < self.steps else (epoch + 1, 0)
        self.requests, self.kind = 0, "loop"
        self.slice = self._cut = 0
        self._asked = self._looped = False
