"""Turn a source of small files into a store: read once, mix, write large blocks."""
