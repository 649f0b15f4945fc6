"""Sites: a second one with the same id is refused, and the first stays as it is."""

from __future__ import annotations

import pytest

from support.ledger_cases.world import World
from tagger.errors import Conflict
from tagger.site import Site


class SiteCases:
    def test_a_site_that_exists_is_not_added_again_and_stays_as_it_is(self, world: World) -> None:
        world.ledger.add_site(Site(id="blog", name="The blog", hook_secrets=("whsec_first",)))
        with pytest.raises(Conflict):
            world.ledger.add_site(Site(id="blog", name="Another blog", hook_secrets=("whsec_second",)))
        stored = world.ledger.get_site("blog")
        assert (stored.name, stored.hook_secrets) == ("The blog", ("whsec_first",))
