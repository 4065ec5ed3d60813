"""Train a Keras model from a store and leave a folder that shows how it went."""
