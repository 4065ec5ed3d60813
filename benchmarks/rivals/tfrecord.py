"""tf.data over a TFRecord file, as TensorFlow's guide writes and reads it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rivals.way import Source, Way

__all__ = ["TFRecord"]

SHUFFLE = 2048  # samples in the shuffle buffer, as in Keras' TFRecord example


class TFRecord(Way):
    """PNG files as their bytes, numbers as bytes of float32; shuffled in a buffer."""

    def load(self) -> None:
        from rivals.fitting import fit

        _ = fit, __import__("PIL.Image")

    def pack(self, source: Source, target: Path) -> None:
        import tensorflow as tf

        def feature(**kind: Any) -> Any:
            return tf.train.Feature(**kind)

        with tf.io.TFRecordWriter(str(target / "data.tfrecord")) as writer:
            for file, label in zip(source.files, source.labels.tolist(), strict=True):
                data = file.read_bytes() if source.kind == "png" else source.stacked([file])[0].tobytes()
                features = {
                    "x": feature(bytes_list=tf.train.BytesList(value=[data])),
                    "y": feature(int64_list=tf.train.Int64List(value=[label])),
                }
                writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())

    def open(self, source: Source, target: Path, batch: int) -> None:
        import tensorflow as tf

        form = {"x": tf.io.FixedLenFeature([], tf.string), "y": tf.io.FixedLenFeature([], tf.int64)}

        def parse(record: Any) -> tuple[Any, Any]:
            found = tf.io.parse_single_example(record, form)
            if self.dtype == np.uint8:
                x = tf.cast(tf.io.decode_png(found["x"], channels=self.shape[-1]), tf.float32) / 255
            else:
                x = tf.io.decode_raw(found["x"], tf.float32)
            return tf.reshape(x, self.shape), found["y"]

        records = tf.data.TFRecordDataset(str(target / "data.tfrecord")).shuffle(SHUFFLE)
        parsed = records.map(parse, num_parallel_calls=tf.data.AUTOTUNE)
        self._dataset = parsed.batch(batch).prefetch(tf.data.AUTOTUNE)

    def run(self, epoch: int, see: Callable[[Any, Any], None] | None = None) -> int:
        from rivals.fitting import fit

        return fit(see, self._dataset)
