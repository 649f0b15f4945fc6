"""OFA in plain PyTorch: captioning and visual entailment. `load.py` opens a model directory; nothing else does I/O."""
