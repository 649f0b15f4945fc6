"""One module each: no process, network or clock. The folders are those of the product."""
