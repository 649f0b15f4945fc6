"""GME: Qwen2-VL as an embedding model of images and texts, on transformers' own classes. Start at `load`."""
