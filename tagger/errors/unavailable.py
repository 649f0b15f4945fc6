"""A part of tagger is not available. The request and the image are correct, and another attempt may succeed."""

from __future__ import annotations

from dataclasses import dataclass, field

from tagger.errors.base import TaggerError


class Unavailable(TaggerError):
    code = "unavailable"
    title = "A part of tagger is not available"
    status = 503
    retryable = True
    default_remedy = "Try again in a few seconds. If it fails again, run `tagger doctor`; it names the part that fails."


class PortTaken(Unavailable):
    code = "port_taken"
    title = "A port is already in use"
    retryable = False
    default_remedy = "Choose another port, or stop the program that uses it."


class LedgerUnavailable(Unavailable):
    code = "ledger_unavailable"
    title = "The ledger cannot be reached"
    stage = "persist"


class LedgerFull(LedgerUnavailable):
    code = "ledger_full"
    title = "The database server accepts no more connections"
    default_remedy = (
        "Raise `max_connections` of PostgreSQL, or run fewer processes. `tagger doctor` prints how many connections are needed."
    )


class LedgerDamaged(LedgerUnavailable):
    code = "ledger_damaged"
    title = "The ledger's file is damaged, or is no ledger"
    retryable = False
    default_remedy = (
        "If the path is wrong, correct `ledger_url` or the home. Otherwise stop tagger, move the file away and restore a backup."
    )


class BrokerUnavailable(Unavailable):
    code = "broker_unavailable"
    title = "The broker cannot be reached"


class DiskFull(Unavailable):
    code = "disk_full"
    title = "The disk is full"
    retryable = False
    default_remedy = "Make room on this disk, or choose a home on another one with --home."


class StorageUnavailable(Unavailable):
    code = "storage_unavailable"
    title = "The image bytes cannot be stored or read"


class ModelServerUnavailable(Unavailable):
    """The server of a remote model. The image is not the cause, so it is not charged."""

    code = "model_server_unavailable"
    title = "The model server does not answer as it should"
    stage = "batch"
    default_remedy = "tagger tries again by itself. If it goes on, check the server and the settings `openai_…`."


class DecoderUnavailable(Unavailable):
    """No decoder process was free in time, or none starts. The image is not the cause."""

    code = "decoder_unavailable"
    title = "No image decoder is free"
    stage = "decode"


class DecoderLost(DecoderUnavailable):
    """Two decoders in a row were killed from outside or stopped while they decoded the image. It counts as a crash."""

    code = "decoder_lost"
    title = "The decoder of the image was killed or stopped"


@dataclass(eq=False)
class LibraryAway(Unavailable):
    """The library of a CMS was asked for, and there is no usable answer."""

    retry_after_ms: int | None = field(default=None, kw_only=True)
    busy: bool = field(default=False, kw_only=True)  # it answered 429 or 503

    code = "library_away"
    title = "The library of the CMS cannot be read"
    default_remedy = "Check the endpoint with `tagger webhooks test SITE`. A backfill or a sweep continues by itself."
