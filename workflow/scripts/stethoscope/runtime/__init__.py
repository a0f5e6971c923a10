"""Tools of every job: files, code digests, devices, progress."""
