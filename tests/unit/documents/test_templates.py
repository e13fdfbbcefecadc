"""Documents print every script as plain text, from templates and fonts that a shop can change."""

import io
import json
import shutil
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import resources
from pathlib import Path

import pytest
from pypdf import PdfReader

from activities.documents.bills import render_bill
from activities.documents.papers import render_paper, render_return_label
from activities.documents.printability import check_printable
from command_line.output import write_pdf
from models.documents import DocumentRules, Printed
from models.errors import InvalidConfiguration, TemplateBroken, UnprintableCharacters
from models.findings import unprintable_difference
from models.papers import PaperAddress
from models.settings import Settings
from models.views.shipping import PaperKind
from tests.support.documents.bills import invoice_of, priced
from tests.support.documents.papers import line_of, return_of, shipment_of

SHIPPED = Path(__file__).parents[3] / "activities" / "documents" / "templates"
CUNEIFORM = "\N{CUNEIFORM SIGN A}"
NAMES = {
    "Noto Sans": "Łódź Ærøskøbing Παπαδόπουλος Логистика Nguyễn",
    "Arabic": "شركة الأدوات",
    "Hebrew": "כלי עבודה",
    "CJKjp": "株式会社 東京",
    "Thai": "ไทย",
    "Devanagari": "हिन्दी",
    "Georgian": "ქართული",
    "Armenian": "Հայաստան",
}
"""A name in each script, by a part of the name of its font."""


def read(printed: Printed) -> tuple[str, str]:
    """Read the text, with single spaces, and the names of the fonts."""
    pages = PdfReader(io.BytesIO(printed.pdf)).pages
    fonts = {
        font.get_object()["/BaseFont"]
        for page in pages
        for font in page["/Resources"].get_object()["/Font"].values()  # type: ignore[index]  # a dictionary
    }
    return " ".join(" ".join(page.extract_text().split()) for page in pages), " ".join(fonts)


def letters(text: str) -> list[str]:
    """Sort the letters of a text: extraction orders those of right-to-left scripts as drawn."""
    return sorted(char for char in text if not char.isspace())


@pytest.mark.parametrize("font", NAMES)
def test_names_print_in_their_script(font: str) -> None:
    """On every kind of document, each with a font that has all of the name's characters."""
    name = NAMES[font]
    address = PaperAddress(name=name, lines=("Street 1",), country="JP")
    rules = DocumentRules()
    for printed in (
        render_bill(invoice_of([priced(name=name)], customer_name=name), rules),
        render_return_label(return_of(from_address=address), rules),
        *(
            render_paper(kind, shipment_of(ship_to=address, lines=(line_of(name=name),)), rules)
            for kind in PaperKind
        ),
    ):
        text, fonts = read(printed)
        assert printed.unprintable == ()
        assert font.replace(" ", "") in fonts
        assert set(letters(name)) <= set(text)


@pytest.mark.parametrize("name", ["東京 한국어 北京 繁體中文", "도쿄", "臺北", "骨"])
def test_chinese_japanese_and_korean_print_in_all_countries(name: str) -> None:
    for country in ("CN", "TW", "HK", "JP", "KR", "DE"):
        address = PaperAddress(name=name, lines=(name,), country=country)
        printed = render_paper(
            PaperKind.PACKING_SLIP, shipment_of(ship_to=address), DocumentRules()
        )
        assert printed.unprintable == ()
        assert name in read(printed)[0]


def test_combining_marks_compose() -> None:
    """Also marks that have no composed character."""
    decomposed = unicodedata.normalize("NFD", "Café Ångström Việt")
    printed = render_bill(invoice_of([priced(name=f"{decomposed} x\u0323\u0302")]), DocumentRules())
    assert printed.unprintable == ()
    assert "Café Ångström Việt" in read(printed)[0]


@pytest.mark.parametrize(
    "name",
    [
        '#import "x.typ": *',
        "*bold* _it_ `raw`",
        "$x^2$ <label> @ref",
        "\\ \\u{41} \\#",
        "= Heading - item + 1. /* */ // https://x",
        "'quoted' \"double\" ~ -- ...",
        "#panic() #{} [x]",
        '{"json": "\\n"}',
    ],
)
def test_markup_in_names_is_printed_as_text(name: str) -> None:
    """On bills and papers."""
    bill = invoice_of([priced(name=name)], customer_name=name)
    assert read(render_bill(bill, DocumentRules()))[0].count(name) == 2
    address = PaperAddress(name=name, lines=(), country="DE")
    paper = shipment_of(ship_to=address, lines=(line_of(name=name),))
    for kind in PaperKind:
        assert name in read(render_paper(kind, paper, DocumentRules()))[0]


def test_unprintable_characters_are_named_and_replaced_by_a_mark() -> None:
    """Where the rules print marks; the finding names document and characters."""
    bill = invoice_of([priced(name=f"A{CUNEIFORM}B\ue000C")], customer_name=f"{CUNEIFORM} Ltd")
    printed = render_bill(bill, DocumentRules(prints_marks=True))
    assert printed.unprintable == (CUNEIFORM, "\ue000")
    text, _ = read(printed)
    assert "A\N{REPLACEMENT CHARACTER}B\N{REPLACEMENT CHARACTER}C" in text
    assert "\N{REPLACEMENT CHARACTER} Ltd" in text
    finding = unprintable_difference(bill.number, printed.unprintable)
    assert finding.subject == bill.number
    assert f"{CUNEIFORM} (U+12000)" in finding.message
    assert "U+E000" in finding.message


def test_document_with_a_character_that_no_font_has_waits() -> None:
    """Every document names the characters and both ways out; none is printed with marks."""
    name = f"{CUNEIFORM} Ltd"
    address = PaperAddress(name=name, lines=(), country="DE")
    paper = shipment_of(ship_to=address, lines=(line_of(name=name),))
    renderers: list[Callable[[], Printed]] = [
        lambda: render_bill(invoice_of(customer_name=name), DocumentRules()),
        lambda: render_return_label(return_of(from_address=address), DocumentRules()),
        *(partial(render_paper, kind, paper, DocumentRules()) for kind in PaperKind),
    ]
    for render in renderers:
        with pytest.raises(UnprintableCharacters) as refused:
            render()
        assert refused.value.code == "unprintable_characters"
        for expected in (f"{CUNEIFORM} (U+12000)", "DOCUMENTS_FONTS", "DOCUMENTS_UNPRINTABLE"):
            assert expected in refused.value.message


@pytest.mark.parametrize(
    ("text", "is_printable"),
    [
        ("Łódź Ελλάδα Москва ẞ", True),
        ("王小明 山田太郎 김민준", True),
        ("محمد דוד สมชาย राज გიორგი Արամ", True),
        (f"Ada {CUNEIFORM}", False),
        ("\ue000", False),
    ],
)
def test_printability_is_known_before_printing(text: str, is_printable: bool) -> None:
    """Without printing a document; rules that print marks accept every text."""
    check_printable([text], DocumentRules(prints_marks=True))
    if is_printable:
        check_printable(["Ada", text], DocumentRules())
        return
    with pytest.raises(UnprintableCharacters):
        check_printable(["Ada", text], DocumentRules())


def test_command_names_characters_that_no_font_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the file that it writes."""
    file = tmp_path / "invoice.pdf"
    write_pdf(Printed(b"%PDF", (CUNEIFORM,)), file, True, "INV-1", number="INV-1")
    assert file.read_bytes() == b"%PDF"
    assert json.loads(capsys.readouterr().out)["unprintable"] == [CUNEIFORM]


def test_fonts_are_those_of_the_configuration() -> None:
    """Packages or folders; without the font for Japanese it is unprintable."""
    bill = invoice_of([priced(name="東京")])
    for fonts in (("manimgx_fonts",), (str(_folder("manimgx_fonts")),)):
        printed = render_bill(bill, DocumentRules(fonts=fonts, prints_marks=True))
        assert printed.unprintable == ("東", "京")
    both = (str(_folder("manimgx_fonts")), "noto_cjk_sans_jp_regular")
    assert render_bill(bill, DocumentRules(fonts=both)).unprintable == ()


def _folder(package: str) -> Path:
    return Path(str(resources.files(package)))


def test_own_templates_replace_shipped_ones_file_by_file(tmp_path: Path) -> None:
    """And the words; a change applies to the next document."""
    rules, bill = DocumentRules(folder=tmp_path), invoice_of()
    shipped = render_bill(bill, DocumentRules()).pdf
    assert render_bill(bill, rules).pdf == shipped
    own = tmp_path / "bill.typ"
    own.write_text('#import "common.typ": *\n#show: base\nOurs: #data.title')
    assert read(render_bill(bill, rules))[0] == "Ours: Invoice INV-2026-000042"
    own.unlink()
    words = (SHIPPED / "words.json").read_text().replace('"Thank you', '"Thanks')
    (tmp_path / "words.json").write_text(words.replace('"Invoice"', '"Tax invoice"'))
    assert "Tax invoice INV-2026-000042" in read(render_bill(bill, rules))[0]
    (tmp_path / "words.json").unlink()
    common = (SHIPPED / "common.typ").read_text()
    (tmp_path / "common.typ").write_text(common.replace("#184663", "#990000"))
    assert render_bill(bill, rules).pdf != shipped


def test_own_templates_may_show_a_logo(tmp_path: Path) -> None:
    """Files beside them."""
    (tmp_path / "logo.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="9"/></svg>'
    )
    own = (SHIPPED / "bill.typ").read_text().replace("#window(", '#image("logo.svg")\n#window(', 1)
    (tmp_path / "bill.typ").write_text(own)
    rules = DocumentRules(folder=tmp_path)
    assert "INV-2026-000042" in read(render_bill(invoice_of(), rules))[0]


def test_own_language_is_used_for_its_customers(tmp_path: Path) -> None:
    """With numbers and dates in its notation."""
    words = (SHIPPED / "words.json").read_text().replace('"de": {', '"fr": {')
    (tmp_path / "words.json").write_text(words.replace("Rechnungsdatum", "Date de facture"))
    text, _ = read(render_bill(invoice_of(language="fr"), DocumentRules(folder=tmp_path)))
    assert "Date de facture 6 juillet 2026" in text
    assert "2 938,25" in " ".join(text.replace("\u202f", " ").split())


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("bill.typ", "\n\n#unknown()", "bill.typ, line 3: unknown variable: unknown"),
        ("bill.typ", "#let (", "bill.typ, line 1: "),
        ("common.typ", '#panic("stop")', "common.typ, line 1: panicked with: stop"),
        ("bill.typ", '\n#image("none.png")', "bill.typ, line 2: file not found"),
        ("bill.typ", "\n#data.nothing", "bill.typ, line 2: "),
        ("words.json", "{", "words.json, line 1: Expecting property name"),
        ("words.json", "[]", "words.json: is not an object of languages"),
        ("words.json", '{"xx": {}}', "words.json: is not an object of languages"),
        ("words.json", '{"de": {}}', "words.json: the language 'en' is missing"),
        ("words.json", '{"en": {}}', "words.json: the text 'please_pay' is missing in 'en'"),
    ],
)
def test_broken_template_is_refused_with_file_line_and_reason(
    file: str, content: str, message: str, tmp_path: Path
) -> None:
    """And works again when it is mended."""
    if file == "bill.typ":
        content = f'#import "common.typ": *;{content}'
    (tmp_path / file).write_text(content)
    rules = DocumentRules(folder=tmp_path)
    with pytest.raises(TemplateBroken) as broken:
        render_bill(invoice_of(), rules)
    assert broken.value.code == "template_broken"
    assert broken.value.message.startswith(message)
    shutil.copy(SHIPPED / file, tmp_path / file)
    assert render_bill(invoice_of(), rules) == render_bill(invoice_of(), DocumentRules())


@pytest.mark.parametrize("text", ["by {day}, {name}", "by {day", "{0}"])
def test_wrong_placeholder_in_words_is_refused(text: str, tmp_path: Path) -> None:
    words = (SHIPPED / "words.json").read_text().replace("by {day}", text)
    (tmp_path / "words.json").write_text(words)
    with pytest.raises(TemplateBroken, match=r"words\.json: the text 'please_pay'"):
        render_bill(invoice_of(), DocumentRules(folder=tmp_path))


def test_template_of_other_bytes_is_refused(tmp_path: Path) -> None:
    """Templates are UTF-8."""
    (tmp_path / "bill.typ").write_bytes(b"\xff\xfe")
    with pytest.raises(TemplateBroken, match=r"bill\.typ.*UTF-8"):
        render_bill(invoice_of(), DocumentRules(folder=tmp_path))


def test_threads_render_the_same_document() -> None:
    """All steps of a worker share the compilers."""
    bills = [invoice_of([priced(n)]) for n in range(1, 5)] * 3
    one_by_one = [render_bill(bill, DocumentRules()).pdf for bill in bills]
    with ThreadPoolExecutor(4) as threads:
        at_once = threads.map(lambda bill: render_bill(bill, DocumentRules()).pdf, bills)
        assert list(at_once) == one_by_one


def test_address_prints_in_full_in_the_window() -> None:
    """Two names and four lines."""
    bill = invoice_of(customer_name="Acme Holding")
    text, _ = read(render_bill(bill, DocumentRules()))
    assert "Acme Holding Acme Ltd 1 High Street London EC1A 1BB United Kingdom" in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("documents_dir", "/no/such/folder"),
        ("documents_fonts", ""),
        ("documents_fonts", "no_such_package"),
        ("documents_fonts", "manimgx_fonts /no/such/folder"),
    ],
)
def test_missing_folder_or_font_is_reported_at_start(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name.upper(), value)
    with pytest.raises(InvalidConfiguration, match=name.upper()):
        Settings.read()


def test_documents_are_configured_by_two_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCUMENTS_DIR", str(tmp_path))
    monkeypatch.setenv("DOCUMENTS_FONTS", f"manimgx_fonts {tmp_path}")
    rules = Settings.read().rules
    assert rules.documents == DocumentRules(tmp_path, ("manimgx_fonts", str(tmp_path)))
