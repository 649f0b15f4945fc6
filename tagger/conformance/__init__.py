"""`tagger conformance`: runs every rule of docs/protocol.md against a live CMS. An editor program acts as a person there."""
