"""Text in pictures: PP-OCRv4's detector and recogniser on onnxruntime, with their decoding (DB and CTC)."""

from workers.models.lite.ocr.reader import FILES, Reader, load

__all__ = ["FILES", "Reader", "load"]
