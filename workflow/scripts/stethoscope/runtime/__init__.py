"""What jobs need around their work: files, code digests, devices, progress."""
