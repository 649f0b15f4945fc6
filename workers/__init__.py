"""The processes that do the work; started as `python -m workers`, never imported by `tagger`."""

import os

# onnxruntime reports each session to its maker and writes to the home folder, unless this is set before its first import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
