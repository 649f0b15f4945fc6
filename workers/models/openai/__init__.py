"""A captioner on a server that speaks OpenAI's chat completions, such as vLLM, llama.cpp, Ollama or OpenAI itself.

`wire.py` is what is sent and read. `workers/inference/remote.py` sends it.
"""
