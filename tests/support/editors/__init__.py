"""Editor programs for `tagger conformance`: each acts as a person in one CMS."""
