"""`tagger vocabulary check | show | build | export | import | diff`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tagger.catalog import skos, vocabulary_file
from tagger.catalog.rdf_file import MAX_BYTES
from tagger.catalog.vocabulary import Category, Term, Vocabulary, check_vocabulary, diff_vocabularies
from tagger.cli import console
from tagger.cli.outputs import Force, Output, check_free
from tagger.cli.worker_rpc import ask
from tagger.errors import BadRequest, VocabularyInvalid
from tagger.locales import pick

app = typer.Typer(help="Check, show, build, import and export vocabularies.", no_args_is_help=True)

FORMS: dict[str, skos.Format] = {".ttl": "turtle", ".jsonld": "json-ld", ".json": "json-ld"}
READ_AS: dict[str, skos.Format] = {**FORMS, ".nt": "turtle"}  # N-Triples is a part of Turtle
RDF_XML = (".rdf", ".xml", ".owl", ".skos")
YAMLS = (".yaml", ".yml")
MOST_WARNINGS = 50  # about one SKOS file
Named = Annotated[str, typer.Argument(help="File (.yaml, .ttl, .jsonld), or name of an installed vocabulary.")]


@app.command("check")
def check(
    vocabulary: Named,
    locale: Annotated[
        list[str] | None, typer.Option(help="Language in which every term must have a label, e.g. de. Repeat for several.")
    ] = None,
    reach: Annotated[bool, typer.Option("--reach/--no-reach", help="Ask the models which terms they can never offer.")] = True,
    json: console.Json = False,
) -> None:
    """Check a vocabulary file.

    The command prints each fault with its line and column, and warns of terms that the models can never offer. The exit status is
    1 if the file is not valid. Warnings do not change it.

    \b
    Examples:
      tagger vocabulary check newsroom.yaml
      tagger vocabulary check newsroom.yaml --locale en --locale zh-Hans
    """
    try:
        chosen = load(vocabulary)
    except VocabularyInvalid as err:
        if not json:
            for place in err.errors:
                console.err.print(f"  {place.pointer or '/'}  {place.detail}", markup=False)
            raise
        console.print_json({"valid": False, "error": err.info().to_dict(), "warnings": []})
        raise typer.Exit(1) from err
    wanted = console.locales(locale, default=())
    unreachable = _unreachable(chosen) if reach else {}
    warnings = check_vocabulary(chosen, locales=wanted, reach=lambda _, term: unreachable.get(term.id))
    if json:
        console.print_json({"valid": True, "name": chosen.name, "terms": len(chosen), "warnings": list(warnings)})
        return
    for warning in warnings:
        console.out.print(f"warning: {warning}")
    console.out.print(f"{chosen.name}, version {chosen.version}: {len(chosen)} terms, {len(warnings)} warnings.")


@app.command("show")
def show(
    vocabulary: Named,
    locale: Annotated[str, typer.Option(help="Language of the labels.")] = "en",
    json: console.Json = False,
) -> None:
    """List the terms with their labels, synonyms and thresholds.

    Example:  tagger vocabulary show general --locale zh-Hans
    """
    chosen = load(vocabulary)
    (language,) = console.locales([locale])
    rows = [_row(category, term, language) for category, term in chosen]
    if json:
        console.print_json({"data": rows, "next_cursor": None})
    else:
        columns = ["id", "category", "label", "threshold", "same_as", "synonyms"]
        console.print_table(rows, columns, "The vocabulary has no terms.", drop=["same_as", "threshold"], prose="synonyms")


@app.command("build")
def build(vocabulary: Named, json: console.Json = False) -> None:
    """Compute and store the text vectors of a vocabulary.

    Without this command the first image waits for them. They are stored by model revision and content. After a change, only the
    vectors of the changed vocabulary are computed again.

    Example:  tagger vocabulary build newsroom.yaml
    """
    chosen = load(vocabulary)
    (made,) = ask("vectors", {"vocabulary": vocabulary_file.dump(chosen)}, console.settings())
    if json:
        console.print_json({"name": chosen.name, **made})
    else:
        line = f"{chosen.name}: {made['texts']} vectors of {made['dimensions']} numbers by {made['model']} → {made['file']}"
        console.out.print(line)


@app.command("export")
def export(
    vocabulary: Named,
    out: Annotated[
        Path, typer.Argument(**console.PATH, help="File to write. Its ending selects the format: .ttl, .jsonld or .yaml.")
    ],
    base: Annotated[str, typer.Option(help="Base URI of the scheme and its concepts.")] = skos.BASE,
    force: Force = False,
) -> None:
    """Write a vocabulary as SKOS (Turtle or JSON-LD) or as YAML.

    \b
    Examples:
      tagger vocabulary export general general.ttl
      tagger vocabulary export newsroom.yaml newsroom.jsonld
    """
    check_free(out, force)
    chosen = load(vocabulary)
    suffix = out.suffix.lower()
    if suffix in FORMS:
        text = skos.dump(chosen, form=FORMS[suffix], base=base)
    elif suffix in YAMLS:
        text = vocabulary_file.dump(chosen)
    else:
        raise BadRequest(f"The ending of {out.name} names no known format.", "Use the ending .ttl, .jsonld or .yaml.")
    file = Output(place=out, over=force)
    file.write(text.encode())
    console.out.print(f"{chosen.name}: {len(chosen)} terms → {file.place}")


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(**console.PATH, help="SKOS file: .ttl, .nt or .jsonld.")],
    out: Annotated[Path, typer.Argument(**console.PATH, help="YAML file to write.")],
    name: Annotated[str | None, typer.Option(help="Name of the vocabulary. Default: the name in the file.")] = None,
    scheme: Annotated[
        str | None, typer.Option(help="Concept scheme to import, if the file holds several: its URI, or the end of it.")
    ] = None,
) -> None:
    """Make a vocabulary file from a SKOS scheme.

    A second label in one language becomes a synonym. A label without a language is left out. The command prints what it changed.

    \b
    Examples:
      tagger vocabulary import mediatopics.ttl newsroom.yaml --name newsroom
      tagger vocabulary import thesaurus.ttl places.yaml --scheme http://example.org/places
    """
    if out.suffix.lower() not in YAMLS:
        raise BadRequest(f"{out.name} does not end in .yaml.", "`import` writes YAML; use `export` for other formats.")
    if out.exists():
        raise BadRequest(f"{out} already exists.", "Name another file; `tagger vocabulary diff` compares the two.")
    chosen = _skos(source, name, scheme)
    text = vocabulary_file.dump(chosen)
    vocabulary_file.parse(text, source=out.name)  # the written file must be readable
    file = Output(place=out)
    file.write(text.encode())
    console.out.print(f"{chosen.name}: {len(chosen)} terms in {len(chosen.categories)} categories → {file.place}")


@app.command("diff")
def diff(
    old: Annotated[str, typer.Argument(help="Old version: a file, or the name of an installed vocabulary.")],
    new: Annotated[str, typer.Argument(help="New version: a file, or the name of an installed vocabulary.")],
    json: console.Json = False,
) -> None:
    """Compare two versions of a vocabulary.

    The command warns of ids that are removed or change their meaning, because the CMS may already use them.

    Example:  tagger vocabulary diff newsroom-1.yaml newsroom-2.yaml
    """
    changes = diff_vocabularies(load(old), load(new))
    if json:
        console.print_json({**asdict(changes), "changed": {i: list(parts) for i, parts in changes.changed.items()}})
        return
    for sign, ids in (("+", changes.added), ("-", changes.removed)):
        for term in ids:
            console.out.print(f"{sign} {term}", markup=False)
    for term, parts in changes.changed.items():
        console.out.print(f"~ {term}: {', '.join(parts)}", markup=False)
    for warning in changes.warnings:
        console.out.print(f"warning: {warning}")
    if not (changes.added or changes.removed or changes.changed):
        console.out.print("The vocabularies have the same terms.")


def load(name: str) -> Vocabulary:
    """A file by its ending, else a vocabulary of this installation. Errors: VocabularyInvalid."""
    path = Path(name)
    if path.suffix.lower() in READ_AS or path.suffix.lower() in RDF_XML:
        return _skos(path)
    if path.suffix.lower() in YAMLS or os.path.isfile(path):
        return vocabulary_file.load(path)
    vocabularies = console.catalog().vocabularies
    if name not in vocabularies:
        raise VocabularyInvalid(
            f"There is no vocabulary `{name}`.",
            f"Name a file (.yaml, .ttl, .jsonld), or one of {', '.join(sorted(vocabularies))}.",
        )
    return vocabularies[name]


def _skos(path: Path, name: str | None = None, scheme: str | None = None) -> Vocabulary:
    form = READ_AS.get(path.suffix.lower())
    if form is None:
        if path.suffix.lower() in RDF_XML:
            remedy = f"Convert it: `rdfpipe -i xml -o turtle {path.name} > {path.stem}.ttl`. rdfpipe is a part of rdflib."
            raise BadRequest(f"{path.name} is RDF/XML, which tagger does not read.", remedy)
        raise BadRequest(f"{path.name} ends neither in .ttl, .nt nor .jsonld.", "Rename it to the ending of its format.")
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as err:
        raise VocabularyInvalid(f"{path} cannot be read: {err.strerror}.", remedy="Check the path and the permissions.") from err
    warnings: list[str] = []
    vocabulary = skos.load(raw, form=form, name=name, scheme=scheme, warn=warnings.append)
    for warning in warnings[:MOST_WARNINGS]:
        console.err.print(f"warning: {warning}")
    if len(warnings) > MOST_WARNINGS:
        console.err.print(f"warning: and {len(warnings) - MOST_WARNINGS} more warnings.")
    return vocabulary


def _unreachable(vocabulary: Vocabulary) -> dict[str, str]:
    with console.err.status("Asking the models…"):
        (answer,) = ask("reach", {"vocabulary": vocabulary_file.dump(vocabulary)}, console.settings())
    return dict(answer["unreachable"])


def _row(category: Category, term: Term, locale: str) -> dict[str, Any]:
    return {
        "category": category.id,
        "id": term.id,
        "label": term.label(locale),
        "synonyms": ", ".join(pick(term.synonyms, locale) or ()) or None,
        "same_as": ", ".join(term.same_as) or None,
        "threshold": vocabulary_file.threshold_text(term.threshold or category.threshold),
    }
