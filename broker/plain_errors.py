"""What a model refused, in words for people: pydantic's own speak of Python and of JSON schemas."""

from collections.abc import Mapping
from typing import Any, Final

from broker.patterns import BOOT_ID, METER_KEY, NAME, OBIS_CODE, SOURCE_NAME, SPEC_REF, whole

NO_JSON: Final = "is no JSON"
"""How the reason for a payload begins that can't be read at all."""
_OBJECT: Final = 'must be a JSON object, such as {{"name": "value"}}'
_LIST: Final = 'must be a list, such as ["this", "that"]'
_TIME: Final = "must be a time with its offset from UTC, such as 2026-11-24T10:00:00Z"
_DATE: Final = "must be a date, such as 2026-11-24"
_DURATION: Final = "must be a duration"
_WHOLE: Final = "must be a whole number"
_NUMBER: Final = "must be a number"
_SWITCH: Final = "must be true or false"
_TEXT: Final = "must be text"
_ID: Final = "must be an id of the form 01234567-89ab-cdef-0123-456789abcdef"

_KINDS: Final[dict[str, str]] = {
    **dict.fromkeys(
        ("model_type", "model_attributes_type", "dataclass_type", "dict_type", "frozen_dict_type",
         "ordered_dict_type", "counter_type", "mapping_type"), _OBJECT,
    ),
    **dict.fromkeys(
        ("list_type", "tuple_type", "set_type", "frozen_set_type", "deque_type", "iterable_type"), _LIST
    ),
    **dict.fromkeys(
        ("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "datetime_object_invalid",
         "timezone_aware", "time_type", "time_parsing"), _TIME,
    ),
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"), _DATE),
    **dict.fromkeys(("time_delta_type", "time_delta_parsing"), _DURATION),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), _WHOLE),
    **dict.fromkeys(("float_type", "float_parsing", "decimal_type", "decimal_parsing"), _NUMBER),
    **dict.fromkeys(("bool_type", "bool_parsing"), _SWITCH),
    **dict.fromkeys(("string_type", "string_unicode", "bytes_type"), _TEXT),
    **dict.fromkeys(("uuid_type", "uuid_parsing", "uuid_version"), _ID),
    **dict.fromkeys(("url_type", "url_parsing", "url_syntax_violation"), "must be an address such as https://host/path"),
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "invalid_key": "has a name that is not text",
    "none_required": "must be null",
    "finite_number": "must be a finite number",
    "enum": "must be one of {expected}",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "multiple_of": "must be a multiple of {multiple_of}",
    "string_pattern_mismatch": "has a form that is not allowed here (the pattern is {pattern})",
    "string_not_ascii": "must have no letters beyond ASCII",
    "too_short": "must have at least {min_length}, and has {actual_length}",
    "too_long": "must have at most {max_length}, and has {actual_length}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "bytes_too_short": "must have at least {min_length} bytes",
    "bytes_too_long": "must have at most {max_length} bytes",
    "decimal_max_digits": "must have at most {max_digits} digits",
    "decimal_max_places": "must have at most {decimal_places} decimals",
    "decimal_whole_digits": "must have at most {whole_digits} digits before the point",
    "value_error": "{error}",
    "assertion_error": "{error}",
    "json_invalid": NO_JSON + ": {error}",
}  # fmt: skip
"""By pydantic's type of error. Its context fills the braces."""

FORMS: Final[dict[str, str]] = {
    whole(NAME): "must be 1 to 64 letters, digits or . _ -, beginning with a letter or a digit",
    whole(SOURCE_NAME): "must be 1 to 48 lower-case letters, digits or -, beginning with a letter or a digit",
    whole(BOOT_ID): "must be 4 to 32 hexadecimal digits in lower case",
    whole(METER_KEY): "must be 1 to 96 printable ASCII characters without spaces, such as LGZ:12345678",
    whole(SPEC_REF): "must be a spec and its version, such as lgz-e350@3",
    whole(OBIS_CODE): "must be an OBIS code, such as 1-0:1.8.0",
    r"^[^\x00]*$": "must have no NUL character",
    r"^[^\x00-\x1f]*$": "must have no control characters",
}  # fmt: skip
"""What the patterns of messages and of the API mean."""


def plain_reason(entry: Mapping[str, Any]) -> str:
    """What is wrong with a field, as the rest of a sentence that begins with its name. `entry` is pydantic's."""
    template = _KINDS.get(entry["type"])
    given = entry.get("ctx", {})
    context = {name: f"{value:.12g}" if isinstance(value, float) else value for name, value in given.items()}
    if entry["type"] in ("string_too_short", "bytes_too_short") and context.get("min_length") == 1:
        return "must not be empty"
    if entry["type"] == "too_short" and context.get("actual_length") == 0:
        return "must not be empty"
    if entry["type"] == "string_pattern_mismatch" and (form := FORMS.get(str(given.get("pattern")))):
        return form
    if template is None:
        return str(entry["msg"]).replace("Input should", "must", 1)
    return template.format_map(context)
