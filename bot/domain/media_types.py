"""What bytes are, told by themselves; never by their name or by what a platform says of them. Pure.

Source: https://mimesniff.spec.whatwg.org/ (signatures), RFC 4867 (AMR), ISO/IEC 14496-12 (``ftyp`` brands).
"""

from __future__ import annotations

from bot.domain.messages import MessageKind

HEAD_BYTES = 4096
"""As many bytes from the start are enough to tell."""
UNKNOWN = "application/octet-stream"
AMR = "audio/amr"
"""The voice notes of WeChat; no browser plays them, the console's page decodes them."""
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_SLIDES = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

SHOWN_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
PLAYED_TYPES = frozenset(
    {"audio/mpeg", "audio/ogg", "audio/mp4", "audio/wav", "audio/aac", "audio/flac", "video/mp4", "video/webm"}
)
"""What a browser shows or plays in a page; everything else is only ever handed over as a file."""
KNOWN_TYPES = (
    *sorted(SHOWN_TYPES), "image/heic", "image/avif", "image/bmp", "image/tiff",
    *sorted(PLAYED_TYPES), AMR, "audio/silk", "video/quicktime", "video/3gpp", "video/x-matroska",
    "application/pdf", "text/plain", _WORD, _SHEET, _SLIDES, "application/x-ole-storage", "application/zip",
)  # fmt: skip
"""What is taken unless the configuration says otherwise: neither pages, nor drawings with scripts, nor programs."""
ENDINGS = {
    "image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "image/heic": ".heic",
    "image/avif": ".avif", "image/bmp": ".bmp", "image/tiff": ".tif", "audio/mpeg": ".mp3", "audio/ogg": ".ogg",
    "audio/mp4": ".m4a", "audio/wav": ".wav", "audio/aac": ".aac", "audio/flac": ".flac", AMR: ".amr",
    "audio/silk": ".silk", "video/mp4": ".mp4", "video/webm": ".webm", "video/quicktime": ".mov",
    "video/3gpp": ".3gp", "video/x-matroska": ".mkv", "application/pdf": ".pdf", "text/plain": ".txt",
    "application/zip": ".zip", _WORD: ".docx", _SHEET: ".xlsx", _SLIDES: ".pptx",
}  # fmt: skip

_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"#!AMR", AMR),
    (b"#!SILK", "audio/silk"),
    (b"\x02#!SILK", "audio/silk"),
    (b"%PDF-", "application/pdf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_BRANDS = {
    b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heic", b"msf1": "image/heic", b"avif": "image/avif",
    b"M4A ": "audio/mp4", b"M4B ": "audio/mp4", b"qt  ": "video/quicktime",
}  # fmt: skip
_PACKED = ((b"word/", _WORD), (b"xl/", _SHEET), (b"ppt/", _SLIDES))
_MARKUP = (b"<!doctype", b"<html", b"<script", b"<svg", b"<?xml", b"<head", b"<body", b"<iframe", b"<math")
_CONTROL = frozenset(range(32)) - {9, 10, 12, 13, 27}
_BMP_HEADER, _BMP_RESERVED = 26, slice(6, 10)


def sniff(head: bytes) -> str:
    """Tell the type of bytes by their first HEAD_BYTES; UNKNOWN when nothing fits."""
    for signature, mime in _SIGNATURES:
        if head.startswith(signature):
            return mime
    return _boxed(head) or _packed(head) or _framed(head) or _written(head) or UNKNOWN


def kind_of(mime: str) -> MessageKind:
    """Tell what a thing of this type is to a person."""
    family = mime.partition("/")[0]
    found = {"image": MessageKind.IMAGE, "audio": MessageKind.VOICE, "video": MessageKind.VIDEO}
    return found.get(family, MessageKind.FILE)


def _boxed(head: bytes) -> str:
    """Tell containers: RIFF, ISO base media, Matroska, bitmap."""
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12], "")
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return _BRANDS.get(brand) or ("video/3gpp" if brand.startswith(b"3g") else "video/mp4")
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head.startswith(b"BM") and len(head) >= _BMP_HEADER and not any(head[_BMP_RESERVED]):
        return "image/bmp"
    return ""


def _packed(head: bytes) -> str:
    if not head.startswith(b"PK\x03\x04"):
        return ""
    return next((mime for mark, mime in _PACKED if mark in head), "application/zip")


def _framed(head: bytes) -> str:
    """Tell bare audio frames by their sync bits."""
    if len(head) < len(b"\xff\xf1\0\0") or head[0] != 0xFF:  # noqa: PLR2004 - all bits of the sync word
        return ""
    if head[1] & 0xF6 == 0xF0:  # noqa: PLR2004 - ADTS
        return "audio/aac"
    layer, bitrate = head[1] & 0x06, head[2] >> 4
    return "audio/mpeg" if head[1] & 0xE0 == 0xE0 and layer and bitrate not in {0, 15} else ""  # noqa: PLR2004


def _written(head: bytes) -> str:
    """Tell text; what a browser would run as a page or drawing is never called plain."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n\f")[:1024].lower()
    if not start:
        return ""
    if start.startswith(b"<"):
        found = b"<svg" in start
        return "image/svg+xml" if found else "text/html" if any(mark in start for mark in _MARKUP) else "text/xml"
    if _CONTROL & set(head):
        return ""
    if any(mark in start for mark in _MARKUP):
        return "text/html"
    for encoding in ("utf-8", "gb18030"):
        try:
            head[:-4].decode(encoding) if len(head) >= HEAD_BYTES else head.decode(encoding)
        except UnicodeDecodeError as problem:
            if problem.end < len(head) - 8:
                continue
        return "text/plain"
    return ""
