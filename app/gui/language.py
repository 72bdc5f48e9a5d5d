"""The language of the window: the operator's, where there is a catalogue for it, else English. Files have none."""

import logging
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator

CATALOGUES = Path(__file__).parent / "translations"
SOURCE = "en"
"""The language of the code; a person who wants it needs no catalogue."""

log = logging.getLogger(__name__)


def wanted(locale: QLocale) -> str | None:
    """Return the first language that the operator asks for and that the window speaks, or None for English.

    The system lists languages in the order of preference (on Linux ``LANGUAGE`` or ``LANG`` does). Qt alone would read
    on beyond English, for which there is no catalogue, and take what the operator wants less.
    """
    for tag in locale.uiLanguages():
        language = tag.replace("_", "-").split("-")[0]
        if language in (SOURCE, "C"):
            return None
        if (CATALOGUES / f"dapiscope_{language}.qm").is_file():
            return language
    return None


def speak(app: QCoreApplication, language: str | None) -> list[QTranslator]:
    """Let the window and Qt's own dialogs speak `language`; call it before the first text is looked up.

    Parameters
    ----------
    app : QCoreApplication
        Owns the translators from then on.
    language : str or None
        Two letters, see `wanted`; None leaves English.

    Returns
    -------
    list of QTranslator
        What is in use; `silence` takes it out again.
    """
    if language is None:
        return []
    spoken = []
    # Qt's own words first: what was installed last is asked first.
    for name, folder in (
        (f"qtbase_{language}", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)),
        (f"dapiscope_{language}", str(CATALOGUES)),
    ):
        translator = QTranslator(app)
        if translator.load(name, folder) and app.installTranslator(translator):
            spoken.append(translator)
        else:
            log.warning("no catalogue %s in %s", name, folder)
    return spoken


def silence(app: QCoreApplication, spoken: list[QTranslator]) -> None:
    """Go back to English."""
    for translator in spoken:
        app.removeTranslator(translator)
        translator.deleteLater()
