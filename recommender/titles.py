"""Titles and genres as text: how they are taken apart, and how two spellings become one key."""

import re
import unicodedata

GENRES = (
    "Action",
    "Adventure",
    "Animation",
    "Children",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
    "Sport",
)

_YEAR = re.compile(r"\s*\((\d{4})(?:\s*[-–]\s*(?:\d{4})?)?\)\s*$")
_ARTICLES = (
    "The|A|An|Le|La|Les|L'|Un|Une|El|Los|Las|Lo|Il|Gli|I|Uno|Una|"
    "Der|Die|Das|Ein|Eine|Den|Det|De|Het|Een|En|Ett|O|Os|As|Um|Uma"
)
_TRAILING_ARTICLE = re.compile(rf"^(.+), ({_ARTICLES})(?=$|\s*\()", re.IGNORECASE)
_TRAILING_ENGLISH = re.compile(r"^(.+), (?:the|a|an)$")
_PARENTHESIS = re.compile(r"\(([^()]+)\)")
_ALIAS = re.compile(r"^a\.?k\.?a\.?\s+", re.IGNORECASE)
_ENGLISH = ("the", "a", "an")
# Letters that Unicode does not take apart into a base and an accent.
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "&": " and "})
_SILENT = re.compile(r"[.'’`´]")
_GAPS = re.compile(r"[\W_]+")
_NO_GENRES = ("", "(no genres listed)", "unknown")
_GENRE_SPELLINGS = {"Children's": "Children"}


def split_title(text: str) -> tuple[str, int | None]:
    """ "Matrix, The (1999)" to ("The Matrix", 1999); the year is None where there is none."""
    found = _YEAR.search(text)
    if found is None:
        return _article_first(text.strip()), None
    return _article_first(text[: found.start()].strip()), int(found[1])


def _article_first(title: str) -> str:
    title = _PARENTHESIS.sub(lambda inner: f"({_move_article(inner[1])})", title)
    return _move_article(title)


def _move_article(title: str) -> str:
    found = _TRAILING_ARTICLE.match(title)
    if found is None:
        return title
    gap = "" if found[2].endswith("'") else " "
    return f"{found[2]}{gap}{found[1]}{title[found.end() :]}"


def title_key(title: str) -> str:
    """The same for every spelling of a title: no case, accents, punctuation or English article."""
    text = _plain(title)
    trailing = _TRAILING_ENGLISH.match(text.strip())
    words = _GAPS.sub(" ", _SILENT.sub("", trailing[1] if trailing else text)).split()
    while len(words) > 1 and words[0] in _ENGLISH:
        words = words[1:]
    return " ".join(words) or text.strip()


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(c for c in folded if not unicodedata.combining(c)).translate(_LETTERS)


def title_keys(title: str) -> tuple[str, ...]:
    """The key of the title, and of each name it gives in parentheses: "Seven (a.k.a. Se7en)"."""
    names = [_PARENTHESIS.sub(" ", title), *(_ALIAS.sub("", n) for n in _PARENTHESIS.findall(title)), title]
    return tuple(dict.fromkeys(key for key in map(title_key, names) if key))


def split_genres(text: str) -> tuple[str, ...]:
    """ "Action|Children's" to ("Action", "Children"); "(no genres listed)" to none."""
    names = (name.strip() for name in text.split("|"))
    return tuple(dict.fromkeys(_GENRE_SPELLINGS.get(n, n) for n in names if n not in _NO_GENRES))
