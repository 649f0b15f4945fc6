"""What search reads of an asset: its newest description, the terms of it, and which assets were erased."""

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from tagger.ledger.tables.base import metadata

described_assets = Table(  # one row per asset that was described; it stays when its jobs expire, as its vector does
    "described_assets",
    metadata,
    Column("site_id", String(63), primary_key=True),
    Column("asset_id", Text, primary_key=True),
    Column("job_id", String(40), nullable=False),  # the newest that described it
    Column("first_ms", BigInteger, nullable=False),  # when it was first described
    Column("changed_ms", BigInteger, nullable=False),
    Column("verdict", String(8), nullable=False),
    Column("kind", String(16)),  # of picture; null: not sure, or nobody looked
    Column("sha256", String(64), nullable=False),
    Column("look_hash", String(16)),  # perceptual hash, hex; null: none was computed
    Index("described_assets_changed", "site_id", "changed_ms"),
    Index("described_assets_first", "site_id", "first_ms"),
)

search_terms = Table(  # tagger/search/terms.py
    "search_terms",
    metadata,
    Column("site_id", String(63), primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("term", Text, primary_key=True),
    Column("asset_id", Text, primary_key=True),
    Index("search_terms_of_asset", "site_id", "asset_id"),
)

erased_assets = Table(  # for the indexes of vectors, which erase them too
    "erased_assets",
    metadata,
    Column("site_id", String(63), primary_key=True),
    Column("asset_key", String(64), primary_key=True),  # a hash, so that the name is erased; "": all of the site
    Column("at_ms", BigInteger, nullable=False, index=True),
)
