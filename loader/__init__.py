"""Feed batches from a store, in a mixed order and by long sequential reads, to Keras or to plain NumPy code."""
