"""`TAGGER_<SETTING>_FILE`: the text of a setting from a file, as Docker, Kubernetes and systemd hand out secrets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from tagger.errors import SettingsError
from tagger.settings.environment import PREFIX

SUFFIX = "_FILE"
MAX_BYTES = 64 * 1024


def read_files(env: Mapping[str, str], settings: Collection[str]) -> dict[str, str]:
    """The environment with each `TAGGER_<SETTING>_FILE` replaced by `TAGGER_<SETTING>` and the text of the file that it names.

    Errors: SettingsError if the file cannot be read or is empty, or if both variables are set. The message never quotes the file.
    """
    read = dict(env)
    for name, path in env.items():
        setting = name.removesuffix(SUFFIX)
        if setting == name or setting.removeprefix(PREFIX).lower() not in settings:
            continue
        del read[name]
        if not path:
            continue
        if env.get(setting):
            raise SettingsError(f"{setting} and {name} are both set.", "Set only one of them.")
        read[setting] = _text(name, Path(path))
    return read


def _text(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as err:
        reason = err.strerror if isinstance(err, OSError) else "this is no path"
        raise SettingsError(f"{name}: {str(path)[:200]} cannot be read: {reason}.") from err
    if len(content) > MAX_BYTES:
        raise SettingsError(f"{name}: {path} has more than {MAX_BYTES} bytes.")
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise SettingsError(f"{name}: {path} is not UTF-8 text.") from None
    if not text:
        raise SettingsError(f"{name}: {path} is empty.", "Write the secret into it, or do not set the variable.")
    return text
