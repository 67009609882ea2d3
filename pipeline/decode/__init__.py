"""Records of the input topics to rows and dead letters: JSON events and columnar batches alike."""

from pipeline.decode.decoded import Chunk, Decoded
from pipeline.decode.decoder import Decoder
from pipeline.decode.record import RawRecord

__all__ = ["Chunk", "Decoded", "Decoder", "RawRecord"]
