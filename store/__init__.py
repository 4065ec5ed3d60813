"""The packed format: what a store holds, how it is written, and how its blocks are read."""
