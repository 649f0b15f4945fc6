"""The judgement step: from a prediction to annotations, by the site's profile and vocabulary. Never cached."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tagger.annotation import Verdict
from tagger.catalog.load import Catalog, load_catalog
from tagger.catalog.profile import FALLBACK, Profile
from tagger.file_metadata import beside, told
from tagger.job import Claim
from tagger.judge import gate
from tagger.prediction import EntailmentPrediction, Prediction
from tagger.site import Site
from workers.inference.scorer import Scorer
from workers.pipeline.deps import Judged

PREPARED = 4  # vocabularies: each takes a second


class SiteRules:
    """Profiles and vocabularies as they were when the worker started."""

    def __init__(self, catalog: Catalog, scorer: Scorer, *, instructed: bool) -> None:
        """`instructed`: a model of this worker reads the profile's instruction."""
        self._catalog = catalog
        self._scorer = scorer
        self._instructed = instructed

    @classmethod
    def load(cls, home: Path, scorer: Scorer, *, instructed: bool) -> SiteRules:
        """Errors: ProfileInvalid, VocabularyInvalid: the installation's own files are not valid."""
        return cls(load_catalog(home), scorer, instructed=instructed)

    def prepare(self, sites: Sequence[Site]) -> None:
        """Prepares the vocabularies of these sites, or the general one if there is no site yet."""
        known = self._catalog.vocabularies
        names = {site.vocabulary or self._catalog.profile(site.profile)[0].vocabulary for site in sites}
        for name in sorted(names or {self._catalog.require(FALLBACK).vocabulary})[:PREPARED]:
            if name in known:  # a site may name one that was removed; its images say so
                self._scorer.prepare(known[name])

    def instruction(self, claim: Claim) -> str:
        profile, _ = self._catalog.profile(claim.request.profile)
        return profile.instruction if self._instructed else ""

    def unchecked(self, claim: Claim, site: Site, prediction: Prediction) -> tuple[str, ...]:
        """English texts that would be offered and that no check model has checked yet."""
        profile, _ = self._catalog.profile(claim.request.profile)
        return gate.unchecked(prediction, gate.statements(prediction, self._question(claim, site, prediction, profile)))

    def _question(self, claim: Claim, site: Site, prediction: Prediction, profile: Profile) -> gate.Question:
        request = claim.request
        return gate.Question(
            vocabulary=self._catalog.vocabulary(profile, site.vocabulary),
            profile=profile,
            site_id=site.id,
            locales=request.locales,
            fields=request.fields,
            context=beside(request.context, prediction.file),
        )

    def opinion(self, claim: Claim, answer: EntailmentPrediction) -> Verdict:
        profile, _ = self._catalog.profile(claim.request.profile)
        return gate.opinion(answer, profile)

    def judge(self, claim: Claim, site: Site, prediction: Prediction) -> Judged:
        """Errors: ProfileInvalid if the vocabulary of the site does not exist."""
        profile, warnings = self._catalog.profile(claim.request.profile)
        question = self._question(claim, site, prediction, profile)
        annotations, verdict = gate.judge(prediction, self._scorer.score(prediction, question.vocabulary), question)
        return Judged(
            annotations=annotations,
            verdict=verdict,
            delivery_fields=gate.delivery_fields(annotations),
            warnings=(*warnings, *told(claim.request.context, prediction.file)),
        )
