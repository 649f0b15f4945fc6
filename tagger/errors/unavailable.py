"""A part of tagger is away: nothing is wrong with the request or the picture, and another try may succeed."""

from __future__ import annotations

from tagger.errors.base import TaggerError


class Unavailable(TaggerError):
    code = "unavailable"
    title = "A part of tagger is away"
    status = 503
    retryable = True
    default_remedy = "Try again in a few seconds; `tagger doctor` names the part that is missing."


class PortTaken(Unavailable):
    code = "port_taken"
    title = "A port cannot be listened on"
    retryable = False
    default_remedy = "Choose another port."


class LedgerUnavailable(Unavailable):
    code = "ledger_unavailable"
    title = "The ledger cannot be reached"
    stage = "persist"


class LedgerFull(LedgerUnavailable):
    code = "ledger_full"
    title = "The database server takes no more connections"
    default_remedy = "Raise `max_connections` of PostgreSQL, or run fewer processes; `tagger doctor` says how many are needed."


class BrokerUnavailable(Unavailable):
    code = "broker_unavailable"
    title = "The broker cannot be reached"


class StorageUnavailable(Unavailable):
    code = "storage_unavailable"
    title = "The image bytes cannot be stored or read"


class DecoderUnavailable(Unavailable):
    """No decoder process could take the image in time, or none starts. Says nothing about the image."""

    code = "decoder_unavailable"
    title = "No image decoder is free"
    stage = "decode"


class DecoderLost(DecoderUnavailable):
    """Two decoders in a row were ended from outside, or stood still, while they had the image. Charged as a crash."""

    code = "decoder_lost"
    title = "The image's decoder was ended or stood still"
