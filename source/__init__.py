"""Find samples in folders of small files and decode one file to one array."""
