"""The template languages of other systems, written anew in ours when a message comes in: there is one at send time.

What comes out is read like any author's text, so no translator decides what is safe. Text that is no tag over there
survives byte for byte. A module a language; read `translated` for what all of them give, `domo` for the smallest.
"""

from __future__ import annotations

from typing import Final

from clarion.domain.errors import Invalid, Problem
from clarion.rendering.faults import LanguageFault
from clarion.rendering.language import read_template
from clarion.rendering.translation.adobe import translate_adobe
from clarion.rendering.translation.domo import translate_domo
from clarion.rendering.translation.textit import translate_textit
from clarion.rendering.translation.translated import Syntax, Translated, Translator
from clarion.rendering.translation.voltmx import translate_voltmx

__all__ = ["SOURCE_LIMIT", "TRANSLATORS", "Syntax", "Translated", "translate"]

SOURCE_LIMIT: Final = 512 * 1024
"""Characters of a template that is translated, and of what it becomes."""

TRANSLATORS: Final[dict[Syntax, Translator]] = {
    Syntax.DOMO: translate_domo,
    Syntax.TEXTIT: translate_textit,
    Syntax.ADOBE: lambda source: Translated(translate_adobe(source)),
    Syntax.VOLTMX: translate_voltmx,
}
"""From each syntax to its translator."""


def translate(syntax: Syntax, source: str, *, field: str = "source") -> Translated:
    """A template in our own language; `field` is the name its mistakes are told under.

    Raises:
        Invalid: it is too long, here or there, or has a tag that is broken or has no counterpart; the message names the
            line.
    """
    if len(source) > SOURCE_LIMIT:
        raise Invalid(Problem(field, "maxLength", f"must have at most {SOURCE_LIMIT} characters"))
    translator = TRANSLATORS.get(syntax)
    if translator is None:
        raise Invalid(Problem(field, "enum", f"templates of {syntax} are not translated yet"))
    try:
        translated = translator(source)
        is_short = len(translated.text) <= SOURCE_LIMIT  # every brace that is no tag is written as one
        if is_short:
            read_template(translated.text)
    except LanguageFault as fault:
        raise Invalid(Problem(field, fault.rule, f"line {fault.line}: {fault.message}")) from None
    if not is_short:
        raise Invalid(Problem(field, "maxLength", f"comes to more than {SOURCE_LIMIT} characters in our language"))
    return translated
