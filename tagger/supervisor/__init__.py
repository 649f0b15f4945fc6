"""The whole product on one machine: the processes of `tagger up`, and the embedded broker."""
